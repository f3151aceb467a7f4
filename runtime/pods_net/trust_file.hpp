// The list of pods in its file, watched by a thread: changes that `tayfa link` makes take effect
// within a second, and tokens expire at their time. Pods that join are entered here.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/private_file.hpp"
#include "runtime/pods/trust_port.hpp"
#include "runtime/pods_net/allow_list.hpp"
#include "runtime/pods_net/task_thread.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace tayfa::pods {

/// The file of the list in the data folder of a head.
std::string allow_list_path(const std::string& data_folder);

/// Seconds since 1970.
wall_seconds wall_of(const time_source&);

class trust_file final : public trust_port {
 public:
  /// `time` outlives it.
  trust_file(const time_source& time, std::string path,
             std::chrono::milliseconds look_pause = std::chrono::milliseconds{500});

  void watch(std::function<void(result<std::shared_ptr<const admitted>>)> changed) override;
  void join(std::string token, std::string key, std::string name,
            std::function<void(result<void>)> done) override;
  void stop() override;

 private:
  void look();
  void report(result<std::shared_ptr<const admitted>>);

  const time_source& time_;
  const std::string path_;
  std::mutex mutex_; ///< of `changed_`, also while it is called
  std::function<void(result<std::shared_ptr<const admitted>>)> changed_;

  // The thread's:
  bool read_ = false;
  std::optional<file_stamp> seen_;
  allow_list list_;
  std::optional<wall_seconds> expiry_; ///< when a token ends
  task_thread thread_;
};

} // namespace tayfa::pods
