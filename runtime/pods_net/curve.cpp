#include "runtime/pods_net/curve.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <system_error>
#include <zmq.h>

namespace tayfa::pods {

result<void> check_curve() {
  if (zmq_has("curve") != 1) {
    return fail(errc::unfit, "this libzmq was built without CURVE (libsodium); the pod link needs "
                             "it: use the libzmq of your distribution");
  }
  return {};
}

std::string z85_of(std::string_view bytes) {
  std::string text(bytes.size() * 5 / 4 + 1, '\0');
  if (zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                     bytes.size()) == nullptr) {
    return {};
  }
  text.pop_back();
  return text;
}

std::optional<std::string> key_bytes(std::string_view z85) {
  if (z85.size() != curve_key_text || z85.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string text{z85}; // ends with a NUL
  std::string bytes(curve_key_bytes, '\0');
  // libzmq also reads texts that it would not write; those are not accepted.
  if (zmq_z85_decode(reinterpret_cast<std::uint8_t*>(bytes.data()), text.c_str()) == nullptr ||
      z85_of(bytes) != z85) {
    return std::nullopt;
  }
  return bytes;
}

result<key_pair> pair_of(const secret_text& secret_key) {
  auto bytes = key_bytes(secret_key.reveal());
  if (!bytes) {
    return fail(errc::bad_config, "the secret key is not 40 characters of Z85");
  }
  ::explicit_bzero(bytes->data(), bytes->size());
  if (auto usable = check_curve(); !usable) {
    return fail(usable.error());
  }
  std::array<char, curve_key_text + 1> secret{};
  std::array<char, curve_key_text + 1> shown{};
  std::memcpy(secret.data(), secret_key.reveal().data(), curve_key_text);
  const bool made = zmq_curve_public(shown.data(), secret.data()) == 0;
  ::explicit_bzero(secret.data(), secret.size());
  if (!made) {
    return fail(errc::unfit,
                "libzmq computes no CURVE key: " + std::string{zmq_strerror(zmq_errno())});
  }
  return key_pair{shown.data(), secret_key};
}

result<key_pair> make_key_pair(secret_source& source) {
  std::string bytes(curve_key_bytes, '\0');
  try {
    source.fill(std::as_writable_bytes(std::span{bytes}));
  } catch (const std::system_error&) {
    return fail(errc::io_error, "the system gives no random numbers (getrandom)");
  }
  auto text = z85_of(bytes);
  ::explicit_bzero(bytes.data(), bytes.size());
  return pair_of(secret_text::take(text));
}

} // namespace tayfa::pods
