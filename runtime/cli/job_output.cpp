#include "runtime/cli/job_output.hpp"

#include "runtime/model/base64.hpp"

#include <array>
#include <optional>
#include <set>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::size_t where_length_max = 80;

struct magic {
  std::string_view base64; ///< the file's first bytes in Base64
  std::string_view ending;
};
// 89 50 4E 47 0D 0A 1A 0A is nine sextets and a part, FF D8 FF is four: enough to recognize a
// picture without decoding megabytes.
constexpr std::array magics{magic{"iVBORw0KGg", ".png"}, magic{"/9j/", ".jpg"}};

std::string_view without_data_url(std::string_view text) {
  constexpr std::string_view mark = ";base64,";
  if (!text.starts_with("data:image/")) {
    return text;
  }
  const std::size_t at = text.substr(0, 64).find(mark);
  return at == std::string_view::npos ? text : text.substr(at + mark.size());
}

class collector {
 public:
  explicit collector(const job_id& job) : job_(job) {}

  void visit(json::value& value, const std::string& where) {
    if (value.is_string()) {
      take(value, where);
    } else if (value.is_array()) {
      std::size_t i = 0;
      for (auto& item : value.get_array()) {
        visit(item, where + "-" + std::to_string(i++));
      }
    } else if (value.is_object()) {
      for (auto& member : value.get_object()) {
        visit(member.value(), where + "-" + safe(std::string_view{member.key()}));
      }
    }
  }

  std::vector<picture_file> done() { return std::move(files_); }

 private:
  static std::string safe(std::string_view text) {
    std::string out{text};
    for (char& c : out) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      c = plain || c == '-' ? c : '_';
    }
    return out;
  }

  void take(json::value& value, const std::string& where) {
    const std::string_view text = without_data_url(std::string_view{value.get_string()});
    for (const auto& m : magics) {
      if (!text.starts_with(m.base64)) {
        continue;
      }
      if (auto bytes = base64_decode(text)) {
        std::string name = name_for(where, m.ending);
        value = name;
        files_.push_back({std::move(name), std::move(*bytes)});
      }
      return;
    }
  }

  /// Two members may have equal names once these are made safe.
  std::string name_for(const std::string& where, std::string_view ending) {
    const std::string base =
        job_.str() + (where.empty() ? "-output" : where.substr(0, where_length_max));
    std::string name = base + std::string{ending};
    for (int n = 2; !names_.insert(name).second; ++n) {
      name = base + "-" + std::to_string(n) + std::string{ending};
    }
    return name;
  }

  const job_id& job_;
  std::set<std::string> names_;
  std::vector<picture_file> files_;
};

} // namespace

std::vector<picture_file> take_pictures(const job_id& job, json::value& output) {
  collector t{job};
  t.visit(output, "");
  return t.done();
}

} // namespace tayfa
