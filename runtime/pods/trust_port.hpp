// The keys that a head lets in, as the actor pod_gateway reaches them: the list and its changes are
// on a disk, and operators change it while the head runs.
//
// One side watches the list's file (runtime/pods_net), the other is the simulation's. Thread safe.
// Callbacks come from the implementation's thread.
#pragma once

#include "messages/link.hpp"
#include "runtime/pods/transport.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tayfa::pods {

class trust_port {
 public:
  virtual ~trust_port() = default;
  /// `changed` gets the keys that are let in: soon, and whenever they are others. An error (the
  /// file is damaged) leaves the earlier keys in force. Replaces an earlier watcher.
  virtual void watch(std::function<void(result<std::shared_ptr<const admitted>>)> changed) = 0;
  /// A peer with the key of this token asks to be let in under its own key; `done` when that is
  /// durable, or why not.
  virtual void join(std::string token, std::string key, std::string name,
                    std::function<void(result<void>)> done) = 0;

  // Operators' requests; `done` once it is durable. errc::not_found, bad_request, quota_exceeded;
  // the disk's errors.
  virtual void list(std::function<void(result<trust_list>)> done) = 0;
  /// A change is reported to the watcher before `done` is called.
  virtual void change(change_trust, std::function<void(result<trust_list>)> done) = 0;
  /// `listens`: the endpoint of the listener, for addresses that are left out.
  virtual void make_token(make_join_text, std::string listens,
                          std::function<void(result<join_text>)> done) = 0;
  /// `changed` is not called any more.
  virtual void stop() = 0;
};

} // namespace tayfa::pods
