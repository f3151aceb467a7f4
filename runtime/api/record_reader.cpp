#include "runtime/api/record_reader.hpp"

namespace tayfa::api {

namespace {

template <class Values, class Value>
bool find_word(const Values& all, std::string_view word, Value& to) {
  for (const Value each : all) {
    if (to_string(each) == word) {
      to = each;
      return true;
    }
  }
  return false;
}

} // namespace

std::optional<std::uint64_t> number_in(const boost::json::value& from, std::uint64_t highest) {
  std::optional<std::uint64_t> number;
  if (from.is_uint64()) {
    number = from.get_uint64();
  } else if (from.is_int64() && from.get_int64() >= 0) {
    number = static_cast<std::uint64_t>(from.get_int64());
  }
  return number && *number <= highest ? number : std::nullopt;
}

bool read_word(std::string_view word, job_state& to) {
  return find_word(machine_traits<job_state>::states, word, to);
}
bool read_word(std::string_view word, engine_state& to) {
  return find_word(machine_traits<engine_state>::states, word, to);
}
bool read_word(std::string_view word, wait_reason& to) {
#define TAYFA_X(name, text) wait_reason::name,
  return find_word(std::array{TAYFA_WAIT_REASONS(TAYFA_X)}, word, to);
#undef TAYFA_X
}
bool read_word(std::string_view word, cause& to) {
#define TAYFA_X(name) cause::name,
  return find_word(std::array{TAYFA_CAUSES(TAYFA_X)}, word, to);
#undef TAYFA_X
}
bool read_word(std::string_view word, errc& to) {
#define TAYFA_X(code, number, status, text) errc::code,
  return find_word(std::array{TAYFA_ERRORS(TAYFA_X)}, word, to);
#undef TAYFA_X
}

} // namespace tayfa::api
