// The list of pods in its file, watched by a thread: changes that `tayfa link` makes take effect
// within a second, and tokens expire at their time. Pods that join are entered here.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/private_file.hpp"
#include "runtime/base/secrets.hpp"
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

/// The list for people.
trust_list shown_list(const allow_list&, wall_seconds now);
/// The list as it is now. Errors of allow_list::trust() and revoke(), and of its file.
result<allow_list> change_trust_at(const std::string& path, const change_trust&, wall_seconds now);

class trust_file final : public trust_port {
 public:
  /// `time` and `secrets` outlive it; `head_key` is the head's public key.
  trust_file(const time_source& time, secret_source& secrets, std::string head_key,
             std::string path,
             std::chrono::milliseconds look_pause = std::chrono::milliseconds{500});

  void watch(std::function<void(result<std::shared_ptr<const admitted>>)> changed) override;
  void join(std::string token, std::string key, std::string name,
            std::function<void(result<void>)> done) override;
  void list(std::function<void(result<trust_list>)> done) override;
  void change(change_trust, std::function<void(result<trust_list>)> done) override;
  void make_token(make_join_text, std::string listens,
                  std::function<void(result<join_text>)> done) override;
  void stop() override;

 private:
  void look();
  void report(result<std::shared_ptr<const admitted>>);

  const time_source& time_;
  secret_source& secrets_;
  const std::string head_key_;
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
