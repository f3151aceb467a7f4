// CURVE keys as text and bytes, and whether the library has CURVE at all. Made with a
// secret_source, as every secret is; the public half is computed by libzmq.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/pods/transport.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa::pods {

inline constexpr std::size_t curve_key_bytes = 32;
inline constexpr std::size_t curve_key_text = 40; ///< as Z85

/// errc::unfit when this libzmq has no CURVE, or no ZAP that can be required.
result<void> check_curve();

/// Z85 (RFC 32) of bytes whose number is a multiple of 4.
std::string z85_of(std::string_view bytes);
/// The 32 bytes of a key; empty when the text is no key as z85_of() writes it.
std::optional<std::string> key_bytes(std::string_view z85);

/// errc::io_error when the system gives no random numbers; errors of check_curve().
result<key_pair> make_key_pair(secret_source&);
/// The pair of a secret key; errc::bad_config when it is none.
result<key_pair> pair_of(const secret_text& secret_key);

} // namespace tayfa::pods
