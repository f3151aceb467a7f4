// The keys that are in force: those of the keys file, read anew when it changes.
//
// Owned by the gate, on the server's thread. A version of the file that is broken, or the file's
// disappearance, changes nothing: the keys before it stay. A file that comes to be where none was
// and is broken locks everything: whoever wrote it wanted no open door.
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
  /// How often the file is looked at, at most.
  static constexpr std::chrono::milliseconds look_pause = api::gate::recheck_pause;

  /// The keys of the file, or none where there is no file. As read_key_file() and parse_keys() say,
  /// the path with it; `time` and `log` outlive the ring.
  static result<key_ring> open(std::string path, const time_source& time, event_log& log);

  /// Is there, or was there, a file? Without one nobody needs a key.
  bool in_force() const { return in_force_; }
  std::size_t size() const { return keys_.size(); }
  /// Grows with every change of the keys in force.
  std::uint64_t version() const { return version_; }
  const std::vector<access_key>& keys() const { return keys_; }

  /// Reads the file anew when it has changed and the pause is over.
  void refresh();
  /// Whose key it is; nothing for an unknown one. Valid until refresh(). Every key is compared, in
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
  std::optional<file_stamp> seen_; ///< the version that was last looked at, good or broken
  moment looked_;
};

} // namespace tayfa::access
