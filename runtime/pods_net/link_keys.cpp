#include "runtime/pods_net/link_keys.hpp"

#include "runtime/base/private_file.hpp"
#include "runtime/base/words.hpp"
#include "runtime/pods_net/curve.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

namespace tayfa::pods {

namespace {

constexpr std::size_t bytes_max = 4'096;
constexpr std::size_t id_digits = 32;
constexpr std::string_view key_heading = "tayfa link key 1";
constexpr std::string_view starts_heading = "tayfa link starts 1";
constexpr std::string_view damaged = " is damaged; restore it, or remove it with the other files "
                                     "of the link in its folder and join again";

std::string key_path(const std::string& folder, std::string_view whose) {
  return folder + "/" + std::string{whose} + ".key";
}
std::string starts_path(const std::string& folder, std::string_view whose) {
  return folder + "/" + std::string{whose} + ".starts";
}

tl::unexpected<error> broken(const std::string& path) {
  return fail(errc::bad_config, path + std::string{damaged});
}

/// The values of "name value" lines behind the heading, in this order; empty when the text is not
/// exactly that.
std::optional<std::vector<std::string_view>> values_of(std::string_view whole,
                                                       std::string_view heading,
                                                       std::span<const std::string_view> names) {
  auto lines = text::split(whole, '\n');
  if (lines.size() != names.size() + 2 || lines.front() != heading || !lines.back().empty()) {
    return std::nullopt;
  }
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto line = lines[i + 1];
    if (!line.starts_with(names[i]) || line.size() <= names[i].size() ||
        line[names[i].size()] != ' ') {
      return std::nullopt;
    }
    out.push_back(line.substr(names[i].size() + 1));
  }
  return out;
}

constexpr std::array<std::string_view, 2> key_names{"public", "secret"};
constexpr std::array<std::string_view, 2> starts_names{"id", "starts"};

result<key_pair> read_pair(const std::string& path) {
  auto file = read_private_file(path, bytes_max);
  if (!file) {
    return fail(file.error());
  }
  const auto values = values_of(file->text, key_heading, key_names);
  auto pair = values ? pair_of(secret_text{values->back()}) : broken(path);
  const bool fits = pair && pair->public_key == values->front();
  ::explicit_bzero(file->text.data(), file->text.size());
  if (pair && !fits) {
    return broken(path);
  }
  return !pair && pair.error().code == errc::bad_config ? broken(path) : pair;
}

result<key_pair> write_new_keys(const std::string& path, secret_source& secrets) {
  auto pair = make_key_pair(secrets);
  if (!pair) {
    return pair;
  }
  const auto written =
      change_private_file(path, bytes_max, [&](const std::string& before) -> result<std::string> {
        if (!before.empty()) {
          return fail(errc::bad_config, path + " exists already");
        }
        return std::string{key_heading} + "\npublic " + pair->public_key + "\nsecret " +
               std::string{pair->secret_key.reveal()} + "\n";
      });
  return written ? std::move(pair) : fail(written.error());
}

struct counted_start {
  std::string id;
  std::uint64_t number = 0;
};

/// Raises the counter and writes it before it is used. The first start makes the file.
result<counted_start> count_start(const std::string& path, const std::string& id_of_first) {
  counted_start out;
  const auto written =
      change_private_file(path, bytes_max, [&](const std::string& before) -> result<std::string> {
        out = {id_of_first, 1};
        if (!before.empty()) {
          const auto values = values_of(before, starts_heading, starts_names);
          if (!values || values->front().size() != id_digits) {
            return broken(path);
          }
          const auto digits = values->back();
          const auto read =
              std::from_chars(digits.data(), digits.data() + digits.size(), out.number);
          if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() ||
              ++out.number <= 1) {
            return broken(path);
          }
          out.id = values->front();
        }
        return std::string{starts_heading} + "\nid " + out.id + "\nstarts " +
               std::to_string(out.number) + "\n";
      });
  return written ? result<counted_start>{std::move(out)} : fail(written.error());
}

result<std::string> new_id(secret_source& secrets) {
  try {
    auto id = secrets.uuid();
    std::erase(id, '-');
    return id;
  } catch (const std::system_error&) {
    return fail(errc::io_error, "the system gives no random numbers (getrandom)");
  }
}

struct started {
  key_pair keys;
  counted_start start;
};

/// The counter is made first: a key without it is a folder from which something was removed.
result<started> start(const std::string& folder, std::string_view whose, secret_source& secrets) {
  const auto key = key_path(folder, whose);
  const auto starts = starts_path(folder, whose);
  auto pair = read_pair(key);
  const bool first = !pair && pair.error().code == errc::not_found;
  if (!pair && !first) {
    return fail(pair.error());
  }
  if (!first && !stamp_of(starts)) {
    return fail(errc::bad_config, starts + " is missing beside " + key +
                                      "; restore it, or remove the key as well and join again");
  }
  auto id = new_id(secrets);
  if (!id) {
    return fail(id.error());
  }
  auto counted = count_start(starts, *id);
  if (!counted) {
    return fail(counted.error());
  }
  if (first) {
    pair = write_new_keys(key, secrets);
  }
  return pair ? result<started>{started{std::move(*pair), std::move(*counted)}}
              : fail(pair.error());
}

} // namespace

result<pod_keys> start_pod(const std::string& folder, secret_source& secrets) {
  auto done = start(folder, "pod", secrets);
  return done ? result<pod_keys>{pod_keys{std::move(done->keys), done->start.number}}
              : fail(done.error());
}

result<head_keys> start_head(const std::string& folder, secret_source& secrets) {
  auto done = start(folder, "head", secrets);
  return done ? result<head_keys>{head_keys{std::move(done->keys), std::move(done->start.id),
                                            done->start.number}}
              : fail(done.error());
}

result<key_pair> read_keys(const std::string& folder, const std::string& whose) {
  return read_pair(key_path(folder, whose));
}

bool has_pod_keys(const std::string& folder) {
  return stamp_of(key_path(folder, "pod")).has_value();
}

result<key_pair> make_new_keys(const std::string& folder, const std::string& whose,
                               secret_source& secrets) {
  const auto path = key_path(folder, whose + ".next");
  auto found = read_pair(path); // one that was made before a crash is used
  return !found && found.error().code == errc::not_found ? write_new_keys(path, secrets) : found;
}

result<key_pair> take_new_keys(const std::string& folder, const std::string& whose) {
  auto pair = read_pair(key_path(folder, whose + ".next"));
  if (!pair) {
    return pair;
  }
  if (auto moved = rename_private_file(key_path(folder, whose + ".next"), key_path(folder, whose));
      !moved) {
    return fail(moved.error());
  }
  return pair;
}

} // namespace tayfa::pods
