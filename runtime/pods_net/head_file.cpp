#include "runtime/pods_net/head_file.hpp"

#include "runtime/base/private_file.hpp"
#include "runtime/base/words.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/join_string.hpp"

#include <string_view>

namespace tayfa::pods {

namespace {

constexpr std::size_t bytes_max = 4'096;
constexpr std::string_view heading = "tayfa head 1";

std::string path_in(const std::string& folder) {
  return folder + "/pod.head";
}

} // namespace

result<known_head> read_known_head(const std::string& folder) {
  const auto path = path_in(folder);
  const auto file = read_private_file(path, bytes_max);
  if (!file) {
    return fail(file.error());
  }
  const auto lines = text::split(file->text, '\n');
  known_head out;
  bool fits = lines.size() >= 5 && lines.size() <= 4 + join_addresses_max &&
              lines.front() == heading && lines.back().empty();
  for (std::size_t i = 1; fits && i + 1 < lines.size(); ++i) {
    const auto line = lines[i];
    const auto blank = line.find(' ');
    const auto name = line.substr(0, blank);
    const std::string value{blank == std::string_view::npos ? "" : line.substr(blank + 1)};
    if (i == 1) {
      fits = name == "key" && key_bytes(value).has_value();
      out.key = value;
    } else if (i == 2) {
      fits = name == "pod" && !value.empty();
      out.pod = value;
    } else {
      fits = name == "address" && parse_tcp(value).has_value();
      out.addresses.push_back(value);
    }
  }
  if (!fits) {
    return fail(errc::bad_config, path + " is damaged; remove it and join again");
  }
  return out;
}

result<void> write_known_head(const std::string& folder, const known_head& head) {
  return change_private_file(path_in(folder), bytes_max,
                             [&head](const std::string&) -> result<std::string> {
                               std::string text{heading};
                               text += "\nkey " + head.key + "\npod " + head.pod + "\n";
                               for (const auto& address : head.addresses) {
                                 text += "address " + address + "\n";
                               }
                               return text;
                             });
}

} // namespace tayfa::pods
