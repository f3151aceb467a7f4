#include "runtime/access/key_maker.hpp"

#include "runtime/access/key_file.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <system_error>

namespace tayfa::access {

namespace {

result<std::string> secret_text(secret_source& secrets) {
  try {
    std::array<unsigned char, 32> bytes{};
    secrets.fill(std::as_writable_bytes(std::span{bytes}));
    return key_text(bytes);
  } catch (const std::system_error&) {
    return fail(errc::io_error, "the system has no random numbers");
  }
}

result<std::vector<access_key>> keys_in(const std::string& file, std::string_view text) {
  auto keys = parse_keys(text);
  return keys ? std::move(keys) : fail(errc::bad_config, file + ", " + keys.error().text);
}

/// The file's text plus one more key.
result<std::string> with_key(const std::string& file, std::string text, const access_key& key) {
  const auto keys = keys_in(file, text);
  if (!keys) {
    return fail(keys.error());
  }
  if (std::any_of(keys->begin(), keys->end(),
                  [&key](const auto& each) { return each.name == key.name; })) {
    return fail(errc::bad_usage, "a key is named " + key.name + " already");
  }
  const auto line = key_line(key);
  if (!line) {
    return fail(line.error());
  }
  text += text.empty() || text.ends_with('\n') ? "" : "\n";
  text += *line + '\n';
  const auto read = keys_in(file, text); // checks the limits of the whole file
  return read ? result<std::string>{std::move(text)} : fail(read.error());
}

} // namespace

result<std::string> make_key(const std::string& file, access_key rights, secret_source& secrets) {
  auto text = secret_text(secrets);
  if (!text) {
    return text;
  }
  const auto digest = digest_of(*text);
  if (!digest) {
    return fail(digest.error());
  }
  rights.digest = *digest;
  const auto changed = change_key_file(file, [&file, &rights](std::string before) {
    return with_key(file, std::move(before), rights);
  });
  return changed ? std::move(text) : fail(changed.error());
}

} // namespace tayfa::access
