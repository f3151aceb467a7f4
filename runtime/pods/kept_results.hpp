// Results that a pod keeps until its head has them, so that neither the end of the pod's process
// nor that of its head costs a result that was computed.
//
// Owner: the thread that serves the session's keep_result, read_result and delete_result; one at a
// time. A result that keep() has taken is there after a power loss, whole, or is not there at all.
#pragma once

#include "messages/protocol.hpp"
#include "runtime/pods/pod_session.hpp"
#include "runtime/store/files.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tayfa::pods {

class kept_results {
 public:
  virtual ~kept_results() = default;
  /// The results that are there. To be called once, first.
  virtual result<std::vector<kept_result>> open() = 0;
  /// Durable on return. errc::storage_full: there is no room, on the disk or by the limits.
  virtual result<void> keep(const protocol::finished&) = 0;
  /// errc::store_corrupt when it is not what was kept; not_found.
  virtual result<protocol::finished> read(const attempt_ref&) = 0;
  /// Errors leave a file that the next open() finds, and the head then tells the pod to forget.
  virtual void remove(const attempt_ref&) = 0;
};

struct kept_limits {
  std::uint64_t bytes_max = std::uint64_t{10} << 30;
  std::uint32_t count_max = 4'000;
};

/// Each result is a file: <folder>/<job>.<number>, its SHA-256 and its frame.
class folder_results final : public kept_results {
 public:
  folder_results(store::file_system&, std::string folder, kept_limits = {});

  result<std::vector<kept_result>> open() override;
  result<void> keep(const protocol::finished&) override;
  result<protocol::finished> read(const attempt_ref&) override;
  void remove(const attempt_ref&) override;

  std::uint64_t bytes() const { return bytes_; }

 private:
  std::string path_of(const attempt_ref&) const;

  store::file_system& files_;
  std::string folder_;
  kept_limits limits_;
  std::map<attempt_ref, std::uint64_t> sizes_;
  std::uint64_t bytes_ = 0;
};

} // namespace tayfa::pods
