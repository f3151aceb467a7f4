#include "runtime/access/keys.hpp"

#include "messages/job.hpp"
#include "runtime/base/base64url.hpp"

#include <algorithm>
#include <openssl/evp.h>
#include <optional>
#include <span>

namespace tayfa::access {

namespace {

constexpr std::string_view blanks = " \t\r";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= job_policy::name_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

/// Removes and returns the next word; empty at the end.
std::string_view next_word(std::string_view& text, std::string_view separators) {
  text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(separators));
  text.remove_prefix(word.size());
  return word;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<key_digest> digest_in(std::string_view hex) {
  key_digest digest{};
  if (hex.size() != digest.size() * 2) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_digit(hex[2 * i]);
    const int low = hex_digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return digest;
}

tl::unexpected<error> broken(std::string text) {
  return fail(errc::bad_config, std::move(text));
}

/// Parses the fields of one line, each at most once.
class line_reader {
 public:
  result<access_key> read(std::string_view line) {
    for (auto word = next_word(line, blanks); !word.empty(); word = next_word(line, blanks)) {
      const std::size_t mark = word.find('=');
      if (mark == std::string_view::npos) {
        return broken("a field is written name=value");
      }
      const auto field = word.substr(0, mark);
      if (std::find(seen_.begin(), seen_.end(), field) != seen_.end()) {
        return broken(std::string{field} + " is there twice");
      }
      seen_.push_back(field);
      if (auto taken = take(field, word.substr(mark + 1)); !taken) {
        return fail(taken.error());
      }
    }
    for (const std::string_view needed : {"name", "scope", "sha256"}) {
      if (std::find(seen_.begin(), seen_.end(), needed) == seen_.end()) {
        return broken(std::string{needed} + " is missing");
      }
    }
    if (key_.is_operator && !key_.endpoints.empty()) {
      return broken("an operator's key opens every endpoint; leave endpoint out");
    }
    if (!key_.worker_name.empty() && (!key_.worker || key_.is_operator)) {
      return broken("worker is for keys of the scope worker, without operator");
    }
    return std::move(key_);
  }

 private:
  result<void> take(std::string_view field, std::string_view value) {
    if (field == "name" || field == "tenant") {
      if (!is_name(value)) {
        return broken(std::string{field} + " must be 1 to 64 characters of [A-Za-z0-9._-]");
      }
      (field == "name" ? key_.name : key_.tenant) = value;
      return {};
    }
    if (field == "worker") {
      if (!job_id::parse(value)) {
        return broken("worker must be a worker's name, 1 to 128 characters of [A-Za-z0-9._-]");
      }
      key_.worker_name = value;
      return {};
    }
    if (field == "scope") {
      return take_scopes(value);
    }
    if (field == "endpoint") {
      return take_endpoints(value);
    }
    if (field == "sha256") {
      const auto digest = digest_in(value);
      if (!digest) {
        return broken("sha256 must be 64 hexadecimal digits");
      }
      key_.digest = *digest;
      return {};
    }
    return broken("a key has name, scope, tenant, endpoint, worker and sha256");
  }

  result<void> take_scopes(std::string_view list) {
    bool any = false;
    for (auto word = next_word(list, ","); !word.empty(); word = next_word(list, ",")) {
      if (!add_scope(key_, word)) {
        return broken("scope must be client, worker or operator, or several with commas");
      }
      any = true;
    }
    return any ? result<void>{} : broken("scope is empty");
  }

  result<void> take_endpoints(std::string_view list) {
    for (auto word = next_word(list, ","); !word.empty(); word = next_word(list, ",")) {
      if (key_.endpoints.size() == endpoints_max) {
        return broken("more than " + std::to_string(endpoints_max) + " endpoints");
      }
      key_.endpoints.emplace_back(word);
    }
    return key_.endpoints.empty() ? broken("endpoint is empty") : result<void>{};
  }

  access_key key_;
  std::vector<std::string_view> seen_;
};

bool says_nothing(std::string_view line) {
  const std::size_t first = line.find_first_not_of(blanks);
  return first == std::string_view::npos || line[first] == '#';
}

/// Removes and returns one line with its newline.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const auto line = text.substr(0, end == std::string_view::npos ? end : end + 1);
  text.remove_prefix(line.size());
  return line;
}
std::string_view without_newline(std::string_view line) {
  return line.ends_with('\n') ? line.substr(0, line.size() - 1) : line;
}

} // namespace

bool opens(const access_key& key, api::scope needed) {
  switch (needed) {
  case api::scope::open: return true;
  case api::scope::client: return key.client || key.is_operator;
  case api::scope::worker: return key.worker || key.is_operator;
  case api::scope::operator_: return key.is_operator;
  }
  return false;
}

bool reaches(const access_key& key, std::string_view endpoint) {
  return key.endpoints.empty() ||
         std::find(key.endpoints.begin(), key.endpoints.end(), endpoint) != key.endpoints.end();
}

result<void> may_be_worker(const access_key& key, const std::vector<access_key>& all,
                           std::string_view endpoint, std::string_view worker) {
  if (key.is_operator || worker.empty() || key.worker_name == worker) {
    return {};
  }
  if (!key.worker_name.empty()) {
    return fail(errc::forbidden, "the key is for the worker " + key.worker_name);
  }
  const bool bound = std::any_of(all.begin(), all.end(), [&](const access_key& other) {
    return other.worker_name == worker && reaches(other, endpoint);
  });
  return bound ? fail(errc::forbidden, "this worker's name belongs to another key")
               : result<void>{};
}

bool bound_to_a_tenant(const access_key& key) {
  return !key.is_operator && !key.tenant.empty();
}

bool add_scope(access_key& key, std::string_view word) {
  if (word == "client") {
    return key.client = true;
  }
  if (word == "worker") {
    return key.worker = true;
  }
  return word == "operator" && (key.is_operator = true);
}

std::string scopes_text(const access_key& key) {
  std::string text;
  for (const auto& [has, word] : {std::pair{key.client, "client"}, std::pair{key.worker, "worker"},
                                  std::pair{key.is_operator, "operator"}}) {
    text += has ? (text.empty() ? "" : ",") + std::string{word} : "";
  }
  return text;
}

result<std::vector<access_key>> parse_keys(std::string_view text) {
  if (text.size() > keys_bytes_max) {
    return broken("a keys file has at most " + std::to_string(keys_bytes_max) + " bytes");
  }
  std::vector<access_key> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto line = without_newline(next_line(text));
    if (says_nothing(line)) {
      continue;
    }
    const std::string where = "line " + std::to_string(number) + ": ";
    auto key = line_reader{}.read(line);
    if (!key) {
      return broken(where + key.error().text);
    }
    for (const auto& other : keys) {
      if (other.name == key->name) {
        return broken(where + "the name " + key->name + " is there already");
      }
      if (other.digest == key->digest) {
        return broken(where + "the same key as " + other.name);
      }
    }
    if (keys.size() == keys_max) {
      return broken(where + "more than " + std::to_string(keys_max) + " keys");
    }
    keys.push_back(std::move(*key));
  }
  return keys;
}

result<std::string> key_line(const access_key& key) {
  std::string line = "name=" + key.name + " scope=" + scopes_text(key);
  line += key.tenant.empty() ? "" : " tenant=" + key.tenant;
  for (std::size_t i = 0; i < key.endpoints.size(); ++i) {
    line += (i == 0 ? " endpoint=" : ",") + key.endpoints[i];
  }
  line += key.worker_name.empty() ? "" : " worker=" + key.worker_name;
  line += " sha256=";
  constexpr std::string_view hex = "0123456789abcdef";
  for (const unsigned char byte : key.digest) {
    line += hex[byte >> 4U];
    line += hex[byte & 15U];
  }
  const auto read = line_reader{}.read(line);
  if (!read) {
    return fail(read.error());
  }
  if (read->endpoints != key.endpoints || read->worker_name != key.worker_name ||
      line.find('\n') != std::string::npos) {
    return broken("an endpoint's name has no blank and no comma");
  }
  return line;
}

result<std::string> without_key(std::string_view text, std::string_view name) {
  std::string kept;
  bool found = false;
  while (!text.empty()) {
    const auto line = next_line(text);
    const auto key = says_nothing(without_newline(line))
                         ? result<access_key>{fail(errc::not_found)}
                         : line_reader{}.read(without_newline(line));
    if (key && key->name == name) {
      found = true;
    } else {
      kept += line;
    }
  }
  return found ? result<std::string>{std::move(kept)}
               : fail(errc::not_found, "no key is named " + std::string{name});
}

result<key_digest> digest_of(std::string_view key) {
  key_digest digest{};
  unsigned length = 0;
  if (EVP_Digest(key.data(), key.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1 ||
      length != digest.size()) {
    return fail(errc::internal, "SHA-256 is not available");
  }
  return digest;
}

std::string key_text(const std::array<unsigned char, 32>& random) {
  return "tayfa_" + base64url_encode(std::as_bytes(std::span{random}));
}

} // namespace tayfa::access
