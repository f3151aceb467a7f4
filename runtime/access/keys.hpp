// API keys as the keys file writes them: one key a line, and of the key itself only its SHA-256.
//
//     name=alice scope=client tenant=alice endpoint=tayfa,other sha256=9f86d081…
//
//     name=w1 scope=worker worker=gpu-1 sha256=60303ae2…
//
// Order of the fields does not matter; tenant, endpoint and worker may be absent (any). Empty lines
// and lines that begin with # are left alone. Pure.
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
inline constexpr std::size_t key_bytes_max = 512; ///< of a key as it is sent
inline constexpr std::size_t endpoints_max = 64;

using key_digest = std::array<unsigned char, 32>; ///< SHA-256

struct access_key {
  std::string name; ///< 1 to 64 of [A-Za-z0-9._-], its own in the file
  bool client = false;
  bool worker = false;
  bool is_operator = false;           ///< opens everything
  std::string tenant;                 ///< empty = as each job says
  std::vector<std::string> endpoints; ///< empty = all
  std::string worker_name;            ///< as a worker it is this one; empty = any
  key_digest digest{};                ///< its own in the file
};

bool opens(const access_key&, api::scope);
/// Does it open this endpoint?
bool reaches(const access_key&, std::string_view endpoint);

/// Its holder may call itself by this worker's name: one that is bound to a worker has that name
/// and no other, and shares it with no key but an operator's.
result<void> may_be_worker(const access_key&, const std::vector<access_key>& all,
                           std::string_view endpoint, std::string_view worker);
/// Sees the jobs of one tenant only. Such a key opens no worker's route: a worker is given the jobs
/// of all tenants of its endpoints.
bool bound_to_a_tenant(const access_key&);

/// "client", "worker", "operator": adds it to the key; false for another word.
bool add_scope(access_key&, std::string_view word);
std::string scopes_text(const access_key&); ///< "client,worker"

/// errc::bad_config with the number of the first broken line and what is wrong with it.
result<std::vector<access_key>> parse_keys(std::string_view text);
/// The key's line, without a newline; parse_keys() reads it back. errc::bad_config for what no line
/// can say.
result<std::string> key_line(const access_key&);
/// `text` without the line of this key; everything else as it was. errc::not_found.
result<std::string> without_key(std::string_view text, std::string_view name);

/// errc::internal only when the library has no SHA-256.
result<key_digest> digest_of(std::string_view key);
/// "tayfa_" and 32 bytes as base64url without padding (RFC 4648, 5): 43 characters.
std::string key_text(const std::array<unsigned char, 32>& random);

} // namespace tayfa::access
