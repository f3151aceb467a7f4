// The format of the keys file: one key per line, with only the SHA-256 of the key itself.
//
//     name=alice scope=client tenant=alice endpoint=tayfa,other sha256=9f86d081…
//
//     name=w1 scope=worker worker=gpu-1 sha256=60303ae2…
//
// Order of the fields does not matter; tenant, endpoint and worker may be absent (any). Empty lines
// and lines that begin with # are kept unchanged. Pure.
#pragma once

#include "messages/error.hpp"
#include "runtime/api/gate.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::access {

inline constexpr std::size_t keys_max = 4'096;
inline constexpr std::size_t keys_bytes_max = std::size_t{1} << 20;
inline constexpr std::size_t key_bytes_max = 512; ///< of a key as sent by a client
inline constexpr std::size_t endpoints_max = 64;

using key_digest = std::array<unsigned char, 32>; ///< SHA-256

struct access_key {
  std::string name; ///< 1 to 64 of [A-Za-z0-9._-], unique in the file
  bool client = false;
  bool worker = false;
  bool is_operator = false;           ///< has every scope
  std::string tenant;                 ///< empty = the tenant that each job names
  std::vector<std::string> endpoints; ///< empty = all
  std::string worker_name;            ///< the only worker name it may use; empty = any
  key_digest digest{};                ///< unique in the file
};

bool opens(const access_key&, api::scope);
/// True if the key is valid for this endpoint.
bool reaches(const access_key&, std::string_view endpoint);

/// Checks that the key's holder may use this worker name: a key bound to a worker has that name and
/// no other, and shares it with no key except an operator's.
result<void> may_be_worker(const access_key&, const std::vector<access_key>& all,
                           std::string_view endpoint, std::string_view worker);
/// Sees the jobs of one tenant only. Such a key opens no worker route: a worker receives jobs of
/// all tenants of its endpoints.
bool bound_to_a_tenant(const access_key&);

/// Adds "client", "worker" or "operator" to the key; false for another word.
bool add_scope(access_key&, std::string_view word);
std::string scopes_text(const access_key&); ///< "client,worker"

/// errc::bad_config names the first broken line and its fault.
result<std::vector<access_key>> parse_keys(std::string_view text);
/// The key's line, without a newline; parse_keys() reads it back. errc::bad_config when a line
/// cannot express it.
result<std::string> key_line(const access_key&);
/// `text` without this key's line, otherwise unchanged. errc::not_found.
result<std::string> without_key(std::string_view text, std::string_view name);

/// errc::internal only when the crypto library has no SHA-256.
result<key_digest> digest_of(std::string_view key);
/// "tayfa_" and 32 bytes as base64url without padding (RFC 4648, 5): 43 characters.
std::string key_text(const std::array<unsigned char, 32>& random);

} // namespace tayfa::access
