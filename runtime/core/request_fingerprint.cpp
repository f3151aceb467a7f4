#include "runtime/core/request_fingerprint.hpp"

#include "messages/member_count.hpp"
#include "messages/request_fields.hpp"

namespace tayfa {

namespace {

static_assert(std::tuple_size_v<decltype(request_fields)> == member_count<job_request>() &&
                  std::tuple_size_v<decltype(policy_fields)> == member_count<job_policy>(),
              "a member has no field in request_fields.hpp");

/// FNV-1a.
class mixer {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      mix(static_cast<unsigned char>(c));
    }
    mix(0x1ff); // no text contains it: "ab","c" is not "a","bc"
  }
  void add(const shared_text& text) { add(text.view()); }
  void add(const std::optional<milliseconds>& time) {
    add(time ? std::to_string(time->count()) : std::string{});
  }
  void add(bool sync) { add(std::string_view{sync ? "sync" : "async"}); }
  void add(std::uint8_t number) { add(std::to_string(number)); }

  template <class Record>
    requires requires(const Record& record) { fields_of(record); }
  void add(const Record& record) {
    each_field(fields_of(record), [&]<class T>(const request_field<Record, T>& field) {
      const T& value = record.*field.member;
      if (field.print == fingerprint_part::if_set && value != T{}) {
        add(field.name); // it says which of them is set
        add(value);
      } else if (field.print == fingerprint_part::always) {
        add(value);
      }
    });
  }
  std::uint64_t value() const { return value_; }

 private:
  void mix(std::uint64_t unit) { value_ = (value_ ^ unit) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

} // namespace

std::uint64_t fingerprint(const job_request& request) {
  mixer out;
  out.add(request);
  return out.value();
}

} // namespace tayfa
