// The list of pods that a head lets in, and the tokens with which new ones may join.
//
// Pure: moments are seconds since 1970 by the head's clock, which judges tokens alone. Owner: the
// head, which writes a change to its file (allow_list_file) before it answers, and hands
// admitted_at() to the listener after each change and at next_expiry().
//
// Invariants: a key and a name stand here once; a revoked key never joins by a token; a token lets
// one key in: the first that joins with it. The same key may ask again until the token expires,
// because the answer may have been lost; by then it is a trusted key, so the token's own key is let
// in no more.
#pragma once

#include "messages/error.hpp"
#include "runtime/pods/transport.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::pods {

inline constexpr std::size_t listed_pods_max = 4'096;
inline constexpr std::size_t join_tokens_max = 256;
inline constexpr std::size_t pod_name_max = 64;
inline constexpr std::size_t by_max = 96;
inline constexpr std::size_t allow_list_bytes_max = std::size_t{2} << 20;

using wall_seconds = std::uint64_t;

struct listed_pod {
  std::string key;      ///< public, Z85
  std::string name;     ///< 1 to 64 of [A-Za-z0-9._-]
  bool trusted = false; ///< else revoked
  wall_seconds since = 0;
  std::string by;         ///< who decided that: an operator's name, or "token:ID"
  std::string next_key{}; ///< that the pod has announced and not used yet; empty = none
  bool operator==(const listed_pod&) const = default;
};

struct join_token {
  std::string id;  ///< 16 hexadecimal digits
  std::string key; ///< the public half of the token's secret, Z85
  wall_seconds expires = 0;
  wall_seconds made = 0;
  std::string by;
  std::string used_by{}; ///< the key that has joined; empty = unused
  wall_seconds used = 0;
  bool operator==(const join_token&) const = default;
};

class allow_list {
 public:
  /// The file's text. errc::bad_config names the first broken line and its fault.
  static result<allow_list> parse(std::string_view text);
  std::string text() const;

  /// errc::bad_request for a member that is not valid, quota_exceeded when there are too many.
  result<void> add_token(join_token, wall_seconds now);
  /// errc::not_found.
  result<void> remove_token(std::string_view id);
  /// A peer with this token's key says what its own key and name are. errc::unauthorized for a
  /// token that is unknown, expired or used by another key; forbidden for a revoked key;
  /// wrong_state for a name that another key has; bad_request, quota_exceeded.
  result<void> join(std::string_view token, const std::string& key, const std::string& name,
                    wall_seconds now);

  /// Lets a pod in: one that is listed (by key or name), or a new one (by key, with a name).
  /// errc::not_found, wrong_state, bad_request, quota_exceeded.
  result<void> trust(const std::string& key_or_name, const std::string& name, const std::string& by,
                     wall_seconds now);
  /// The keys that are let in no more. errc::not_found.
  result<std::vector<std::string>> revoke(const std::string& key_or_name, const std::string& by,
                                          wall_seconds now);
  /// Erases a revoked pod, so that its name may be given again. errc::not_found, wrong_state.
  result<void> forget(const std::string& key_or_name);

  /// A trusted pod will use another key: both are let in. errc::not_found, wrong_state.
  result<void> announce_key(const std::string& key, const std::string& next);
  /// The pod has connected with its next key, which takes the place of the old one; that one is
  /// returned. errc::not_found.
  result<std::string> take_next_key(const std::string& next);

  /// Erases tokens that expired before `now`.
  void prune(wall_seconds now);
  /// Trusted pods, and tokens that are neither used nor expired.
  std::shared_ptr<const admitted> admitted_at(wall_seconds now) const;
  /// When admitted_at() changes by itself.
  std::optional<wall_seconds> next_expiry(wall_seconds now) const;

  const listed_pod* find(std::string_view key_or_name) const;
  const std::vector<listed_pod>& pods() const { return pods_; }
  const std::vector<join_token>& tokens() const { return tokens_; }
  bool operator==(const allow_list&) const = default;

 private:
  listed_pod* find_pod(std::string_view key_or_name);
  join_token* find_token(std::string_view id);
  bool has_key(std::string_view key) const;
  result<void> add_pod(listed_pod);
  result<void> read_line(std::string_view);

  std::vector<listed_pod> pods_;   ///< in the order in which they came
  std::vector<join_token> tokens_; ///< likewise
};

/// The list in the file; an empty one when there is no file. errc::bad_config names the path and
/// the broken line: nothing is guessed about who may join.
result<allow_list> read_allow_list(const std::string& path);
/// Changes the file, atomically, and returns the list as it is now. Errors of read_allow_list() and
/// of `change` leave the file as it was.
result<allow_list> change_allow_list(const std::string& path,
                                     const std::function<result<void>(allow_list&)>& change);

} // namespace tayfa::pods
