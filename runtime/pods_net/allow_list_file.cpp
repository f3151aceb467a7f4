// The list of pods as text, and its file:
//
//     tayfa pods 1
//     pod KEY NAME trusted|revoked SINCE BY NEXT_KEY|-
//     token ID KEY EXPIRES MADE BY USED_BY|- USED
//     end LINES CRC-32
//
// Only the head writes it. The last line shows that nothing is missing or was changed.
#include "runtime/base/checksum.hpp"
#include "runtime/base/private_file.hpp"
#include "runtime/base/text.hpp"
#include "runtime/base/words.hpp"
#include "runtime/pods_net/allow_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace tayfa::pods {

namespace {

constexpr std::string_view heading = "tayfa pods 1";
constexpr std::string_view nothing = "-";
constexpr std::size_t pod_words = 7;
constexpr std::size_t token_words = 8;

tl::unexpected<error> broken(std::string why) {
  return fail(errc::bad_config, std::move(why));
}

std::string or_nothing(const std::string& word) {
  return word.empty() ? std::string{nothing} : word;
}
std::string without_nothing(std::string_view word) {
  return word == nothing ? std::string{} : std::string{word};
}

/// Digits as they are written: no sign, and no zero in front.
bool read_number(std::string_view word, std::uint64_t& number) {
  const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
  return read.ec == std::errc{} && read.ptr == word.data() + word.size() &&
         word == std::to_string(number);
}

std::string end_line(std::size_t lines, std::string_view before) {
  std::array<char, 16> sum{};
  std::snprintf(sum.data(), sum.size(), "%08x", crc32_of(before));
  return "end " + std::to_string(lines) + " " + sum.data() + "\n";
}

} // namespace

std::string allow_list::text() const {
  std::string out{heading};
  out += '\n';
  for (const auto& pod : pods_) {
    out += "pod " + pod.key + " " + pod.name + (pod.trusted ? " trusted " : " revoked ") +
           std::to_string(pod.since) + " " + pod.by + " " + or_nothing(pod.next_key) + "\n";
  }
  for (const auto& token : tokens_) {
    out += "token " + token.id + " " + token.key + " " + std::to_string(token.expires) + " " +
           std::to_string(token.made) + " " + token.by + " " + or_nothing(token.used_by) + " " +
           std::to_string(token.used) + "\n";
  }
  return out + end_line(pods_.size() + tokens_.size(), out);
}

result<void> allow_list::read_line(std::string_view line) {
  const auto words = text::split(line, ' ');
  if (std::any_of(words.begin(), words.end(), [](auto word) { return word.empty(); })) {
    return broken("words are separated by one blank");
  }
  if (words.front() == "pod" && words.size() == pod_words) {
    if (!tokens_.empty()) {
      return broken("pods stand before tokens");
    }
    listed_pod pod{std::string{words[1]}, std::string{words[2]},    words[3] == "trusted", 0,
                   std::string{words[5]}, without_nothing(words[6])};
    if (!pod.trusted && words[3] != "revoked") {
      return broken("a pod is trusted or revoked");
    }
    return read_number(words[4], pod.since) ? add_pod(std::move(pod))
                                            : broken("a time is a number of seconds");
  }
  if (words.front() == "token" && words.size() == token_words) {
    join_token token{std::string{words[1]}, std::string{words[2]},    0, 0,
                     std::string{words[5]}, without_nothing(words[6])};
    return read_number(words[3], token.expires) && read_number(words[4], token.made) &&
                   read_number(words[7], token.used)
               ? add_token(std::move(token), 0)
               : broken("a time is a number of seconds");
  }
  return broken("neither a pod nor a token, or not with all of its words");
}

result<allow_list> allow_list::parse(std::string_view whole) {
  if (whole.size() > allow_list_bytes_max) {
    return broken("a list of pods has at most " + std::to_string(allow_list_bytes_max) + " bytes");
  }
  allow_list out;
  std::size_t number = 0;
  std::size_t entries = 0;
  std::string_view rest = whole;
  while (!rest.empty()) {
    ++number;
    const auto where = "line " + std::to_string(number) + ": ";
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) {
      return broken(where + "it is cut short");
    }
    const auto line = rest.substr(0, end);
    const auto before = whole.substr(0, whole.size() - rest.size());
    rest.remove_prefix(end + 1);
    if (number == 1) {
      if (line != heading) {
        return broken(where + "a list of pods begins with \"" + std::string{heading} + "\"");
      }
      continue;
    }
    if (line.starts_with("end ")) {
      if (std::string{line} + "\n" != end_line(entries, before)) {
        return broken(where + "the list was changed or damaged: it does not fit its checksum");
      }
      return rest.empty() ? result<allow_list>{std::move(out)}
                          : broken(where + "something follows the end");
    }
    if (auto read = out.read_line(line); !read) {
      return broken(where + (read.error().text.empty() ? read.error().str() : read.error().text));
    }
    ++entries;
  }
  return broken("line " + std::to_string(number + 1) + ": the end is missing");
}

result<allow_list> read_allow_list(const std::string& path) {
  const auto file = read_private_file(path, allow_list_bytes_max);
  if (!file) {
    return file.error().code == errc::not_found ? result<allow_list>{allow_list{}}
                                                : fail(file.error());
  }
  auto list = allow_list::parse(file->text);
  return list
             ? std::move(list)
             : fail(errc::bad_config, path + ", " + list.error().text +
                                          "; restore it, or remove it and let the pods join again");
}

result<allow_list> change_allow_list(const std::string& path,
                                     const std::function<result<void>(allow_list&)>& change) {
  allow_list now;
  const auto written = change_private_file(
      path, allow_list_bytes_max, [&](const std::string& before) -> result<std::string> {
        if (!before.empty()) {
          auto list = allow_list::parse(before);
          if (!list) {
            return fail(errc::bad_config, path + ", " + list.error().text);
          }
          now = std::move(*list);
        }
        if (auto changed = change(now); !changed) {
          return fail(changed.error());
        }
        return now.text();
      });
  return written ? result<allow_list>{std::move(now)} : fail(written.error());
}

} // namespace tayfa::pods
