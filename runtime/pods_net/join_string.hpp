// The one text with which a pod joins: where the head is, its public key, and a key that lets one
// new pod through the handshake until it expires.
//
//     tayfa1:BASE64URL        of
//     [version 1][head's public key 32][join secret key 32][token id 8][expiry 8]
//     [number of addresses 1 to 4]([length 1][HOST:PORT])…[CRC-32 of all before 4]
//
// Numbers are big endian; the expiry is in seconds since 1970 of the head's clock, and the head
// alone judges it. About 160 characters. Pure. The text is a secret: it is a secret_text, and what
// may be logged is shown().
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secret.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::pods {

inline constexpr std::size_t join_addresses_max = 4;
inline constexpr std::size_t join_string_max = 2'048; ///< characters
inline constexpr std::size_t token_id_text = 16;      ///< hexadecimal digits

struct join_invitation {
  std::string head_key;               ///< public, Z85
  secret_text join_key;               ///< secret, Z85
  std::string token;                  ///< 16 lower-case hexadecimal digits
  std::uint64_t expires = 0;          ///< seconds since 1970, by the head's clock
  std::vector<std::string> addresses; ///< "HOST:PORT", in the order in which they are tried
};

/// errc::bad_usage names the member that is not valid.
result<secret_text> write_join_string(const join_invitation&);
/// Blanks around the text are ignored. errc::bad_usage names the fault, and never the text: another
/// kind of text, a newer version, cut short, mistyped, or a member that is not valid.
result<join_invitation> read_join_string(std::string_view);

/// For logs: "tayfa1:… (token 0123456789abcdef)".
std::string shown(const join_invitation&);

/// True for the id of a join token.
bool is_token_id(std::string_view);

} // namespace tayfa::pods
