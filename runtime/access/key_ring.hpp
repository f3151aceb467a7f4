// The keys in force: those of the keys file, reread when it changes.
//
// Owned by the gate, on the server's thread. A broken version of the file, or its disappearance,
// changes nothing: the previous keys stay. A broken file that appears where none was fails closed:
// every request that needs a key is refused.
#pragma once

#include "runtime/access/key_file.hpp"
#include "runtime/access/keys.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::access {

class key_ring {
 public:
  /// Shortest time between two checks of the file.
  static constexpr std::chrono::milliseconds look_pause = api::gate::recheck_pause;

  /// The keys of the file, or none without a file. Errors of read_key_file() and parse_keys(), with
  /// the path added; `time` and `log` outlive the ring.
  static result<key_ring> open(std::string path, const time_source& time, event_log& log);

  /// True if there is, or was, a file. Without one no key is needed.
  bool in_force() const { return in_force_; }
  std::size_t size() const { return keys_.size(); }
  /// Increases with every change of the keys in force.
  std::uint64_t version() const { return version_; }
  const std::vector<access_key>& keys() const { return keys_; }

  /// Rereads the file if it has changed and look_pause is over.
  void refresh();
  /// The matching key; null for an unknown one. Valid until refresh(). Every key is compared, in
  /// constant time.
  const access_key* find(std::string_view key) const;
  const access_key* find(const key_digest&) const;

 private:
  key_ring(std::string path, const time_source& time, event_log& log);
  result<std::vector<access_key>> load();

  std::string path_;
  const time_source* time_;
  event_log* log_;
  std::vector<access_key> keys_;
  bool in_force_ = false;
  std::uint64_t version_ = 0;
  std::optional<file_stamp> seen_; ///< the version last checked, good or broken
  moment looked_;
};

} // namespace tayfa::access
