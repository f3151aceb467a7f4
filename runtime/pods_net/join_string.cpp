#include "runtime/pods_net/join_string.hpp"

#include "runtime/base/base64url.hpp"
#include "runtime/base/checksum.hpp"
#include "runtime/base/words.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

namespace tayfa::pods {

namespace {

constexpr std::string_view prefix = "tayfa1:";
constexpr std::string_view any_prefix = "tayfa";
constexpr char version = 1;
constexpr std::size_t id_bytes = token_id_text / 2;
constexpr std::string_view again = "; copy it again, or make a new one (tayfa link token)";

tl::unexpected<error> wrong(std::string_view why) {
  return fail(errc::bad_usage, "the join string " + std::string{why});
}

/// The text of a secret, overwritten at its end.
struct wiped_text {
  std::string text;
  wiped_text() = default;
  explicit wiped_text(std::string given) : text(std::move(given)) {}
  wiped_text(const wiped_text&) = delete;
  wiped_text& operator=(const wiped_text&) = delete;
  ~wiped_text() { ::explicit_bzero(text.data(), text.size()); }
};

void put_number(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) {
    out += static_cast<char>(number >> (8 * i) & 255U);
  }
}

std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char c : bytes) {
    number = number << 8U | static_cast<unsigned char>(c);
  }
  return number;
}

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4U];
    out += digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

std::string bytes_of_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return out;
}

/// Takes parts off the front; every part after a missing one is missing.
class parts {
 public:
  explicit parts(std::string_view bytes) : rest_(bytes) {}
  std::string_view take(std::size_t size) {
    if (missing_ || rest_.size() < size) {
      missing_ = true;
      return {};
    }
    const auto part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return part;
  }
  bool missing() const { return missing_; }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool missing_ = false;
};

/// The text behind the prefix; checked as far as the alphabet goes.
result<std::string_view> body_of(std::string_view text) {
  if (text.empty()) {
    return wrong("is empty");
  }
  if (text.size() > join_string_max) {
    return wrong("is longer than " + std::to_string(join_string_max) +
                 " characters, so it is none");
  }
  if (!text.starts_with(prefix)) {
    const auto colon = text.find(':');
    return text.starts_with(any_prefix) && colon != std::string_view::npos &&
                   colon < prefix.size() + 3
               ? wrong("is of another version of Tayfa; head and pod must be of versions that fit")
               : wrong("does not begin with \"" + std::string{prefix} + "\"");
  }
  const auto body = text.substr(prefix.size());
  if (const auto at = base64url_first_foreign(body); at != std::string_view::npos) {
    return wrong("has a character that does not belong there, at place " +
                 std::to_string(prefix.size() + at + 1) + std::string{again});
  }
  return body;
}

result<std::vector<std::string>> addresses_in(parts& bytes) {
  const auto count = bytes.take(1);
  const std::size_t number = count.empty() ? 0 : static_cast<unsigned char>(count.front());
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(number, join_addresses_max + 1) && !bytes.missing(); ++i) {
    const auto size = bytes.take(1);
    out.emplace_back(bytes.take(size.empty() ? 0 : static_cast<unsigned char>(size.front())));
  }
  return out;
}

/// The members that any bytes could be wrong in; those of a fixed size are any bytes.
result<void> check_addresses(const std::vector<std::string>& addresses) {
  if (addresses.empty() || addresses.size() > join_addresses_max) {
    return wrong("has no address, or more than " + std::to_string(join_addresses_max));
  }
  for (const auto& address : addresses) {
    if (address.size() > 255) {
      return wrong("has an address of more than 255 characters");
    }
    const auto parsed = parse_tcp(address);
    if (!parsed) {
      return wrong("has an address that is none: " + parsed.error().text);
    }
    if (to_string(*parsed) != "tcp://" + address) {
      return wrong("has an address that is not written HOST:PORT");
    }
    if (std::count(addresses.begin(), addresses.end(), address) > 1) {
      return wrong("has the same address twice");
    }
  }
  return {};
}

} // namespace

bool is_token_id(std::string_view id) {
  return id.size() == token_id_text &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string shown(const join_invitation& join) {
  return std::string{prefix} + "… (token " + join.token + ")";
}

result<secret_text> write_join_string(const join_invitation& join) {
  const auto head_key = key_bytes(join.head_key);
  auto join_key = key_bytes(join.join_key.reveal());
  if (!head_key || !join_key) {
    return wrong("needs two keys of 40 characters of Z85");
  }
  const wiped_text secret{std::move(*join_key)};
  if (!is_token_id(join.token)) {
    return wrong("needs a token's id of 16 hexadecimal digits");
  }
  if (auto valid = check_addresses(join.addresses); !valid) {
    return fail(valid.error());
  }
  wiped_text bytes;
  bytes.text.reserve(join_string_max); // no copy of the secret is left behind
  bytes.text += version;
  bytes.text += *head_key;
  bytes.text += secret.text;
  bytes.text += bytes_of_hex(join.token);
  put_number(bytes.text, join.expires, 8);
  put_number(bytes.text, join.addresses.size(), 1);
  for (const auto& address : join.addresses) {
    put_number(bytes.text, address.size(), 1);
    bytes.text += address;
  }
  put_number(bytes.text, crc32_of(bytes.text), 4);
  const wiped_text body{base64url_encode(std::as_bytes(std::span{bytes.text}))};
  wiped_text whole;
  whole.text.reserve(prefix.size() + body.text.size());
  whole.text += prefix;
  whole.text += body.text;
  return secret_text{whole.text};
}

result<join_invitation> read_join_string(std::string_view given) {
  const auto body = body_of(text::trimmed(given));
  if (!body) {
    return fail(body.error());
  }
  // A length that no bytes have is that of a text which was cut, as is a part that is missing.
  auto decoded = base64url_decode(*body);
  if (!decoded) {
    return wrong("is cut short or mistyped" + std::string{again});
  }
  const wiped_text bytes{std::move(*decoded)};
  parts rest{bytes.text};
  const auto first = rest.take(1);
  if (!first.empty() && first.front() != version) {
    return wrong("is of another version of Tayfa, or mistyped" + std::string{again});
  }
  join_invitation out;
  out.head_key = z85_of(rest.take(curve_key_bytes));
  wiped_text join_key{z85_of(rest.take(curve_key_bytes))};
  out.join_key = secret_text{join_key.text};
  out.token = hex_of(rest.take(id_bytes));
  out.expires = number_in(rest.take(8));
  auto addresses = addresses_in(rest);
  const auto sum = rest.take(4);
  if (rest.missing()) {
    return wrong("is cut short" + std::string{again});
  }
  if (rest.left() > 0 ||
      number_in(sum) != crc32_of(std::string_view{bytes.text}.substr(0, bytes.text.size() - 4))) {
    return wrong("has a wrong checksum: it is mistyped" + std::string{again});
  }
  out.addresses = std::move(*addresses);
  if (auto valid = check_addresses(out.addresses); !valid) {
    return fail(valid.error());
  }
  return out;
}

} // namespace tayfa::pods
