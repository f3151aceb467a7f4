// The simulated network between a head and its pods: connections that take time, end, or pass
// nothing in one direction; and the pods' disks for results. Everything happens on the simulation's
// thread, at moments of virtual time.
//
// As TCP does, a connection delivers in order and without gaps: once something of it was lost,
// nothing more arrives by it, and mend() ends it.
//
// Owner: the simulation. Listener and connectors outlive the processes that use them, as the
// machine's network does.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/pods/result_port.hpp"
#include "runtime/pods/transport.hpp"
#include "runtime/pods/trust_port.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace tayfa::sim {

/// Acts that are due at a moment. Those of one moment happen in the order in which they were asked
/// for.
class agenda {
 public:
  explicit agenda(const time_source& time) : time_(time) {}
  void later(std::chrono::nanoseconds delay, std::function<void()> act);
  void at(moment when, std::function<void()> act) { acts_.emplace(when, std::move(act)); }
  std::optional<moment> next() const;
  /// The next act that is due; false: none is.
  bool step();
  moment now() const { return time_.now(); }

 private:
  const time_source& time_;
  std::multimap<moment, std::function<void()>> acts_;
};

class sim_network {
 public:
  sim_network(agenda&, random_source&, std::size_t pods);
  ~sim_network();
  sim_network(const sim_network&) = delete;
  sim_network& operator=(const sim_network&) = delete;

  std::chrono::nanoseconds latency_max = std::chrono::milliseconds{5};
  /// Until a try to connect over a path that passes nothing is given up.
  std::chrono::nanoseconds connect_patience = std::chrono::seconds{3};

  pods::pod_listener& head();
  pods::head_connector& pod(std::size_t index);

  // faults
  void cut(std::size_t pod); ///< its connection ends, and both ends learn of it
  void lose(std::size_t pod, bool up, bool down);
  void mend(std::size_t pod);

  std::uint64_t cuts() const { return cuts_; }

 private:
  class listener;
  class connector;
  struct connection {
    std::size_t pod = 0;
    std::string key;
    bool at_head = true, at_pod = true; ///< the end knows of no end
    bool broken = false;                ///< something of it was lost
    moment last_up{}, last_down{};      ///< when the latest message arrives
  };
  struct path {
    bool up_lost = false, down_lost = false;
  };

  std::chrono::nanoseconds latency();
  moment after_earlier(moment& last);
  void connect(std::size_t pod, std::uint64_t number, const pods::connect_options&);
  void arrive_up(pods::connection_id, const link_message&);
  void arrive_down(pods::connection_id, const link_message&);
  void end_at_head(pods::connection_id);
  void end_at_pod(pods::connection_id, const char* why);
  void forget(pods::connection_id);
  connection* find(pods::connection_id);

  agenda& agenda_;
  random_source& random_;
  std::unique_ptr<listener> listener_;
  std::vector<std::unique_ptr<connector>> connectors_;
  std::vector<path> paths_;
  std::map<pods::connection_id, connection> connections_;
  pods::connection_id made_ = 0;
  std::uint64_t cuts_ = 0;
};

/// The list of keys that the head lets in, which an operator changes.
class sim_trust final : public pods::trust_port {
 public:
  explicit sim_trust(agenda& acts) : agenda_(acts) {}
  void watch(std::function<void(result<std::shared_ptr<const pods::admitted>>)> changed) override;
  void join(std::string token, std::string key, std::string name,
            std::function<void(result<void>)> done) override;
  void list(std::function<void(result<trust_list>)> done) override;
  void change(change_trust, std::function<void(result<trust_list>)> done) override;
  void make_token(make_join_text, std::string listens,
                  std::function<void(result<join_text>)> done) override;
  void stop() override { changed_ = nullptr; }

  void set(pods::admitted);

 private:
  void report();
  trust_list shown() const;

  agenda& agenda_;
  std::shared_ptr<const pods::admitted> list_ = std::make_shared<pods::admitted>();
  std::function<void(result<std::shared_ptr<const pods::admitted>>)> changed_;
};

/// The results that a pod keeps: writes take time, and those of a process that dies are lost or
/// not, by the seed.
class sim_results final : public pods::result_port {
 public:
  sim_results(agenda& acts, random_source& random) : agenda_(acts), random_(random) {}

  void open(std::function<void(result<std::vector<pods::kept_result>>)> done) override;
  void keep(protocol::finished, std::function<void(result<void>)> done) override;
  void read(attempt_ref, std::function<void(result<protocol::finished>)> done) override;
  void remove(attempt_ref) override;

  void process_died();
  std::size_t size() const { return kept_.size(); }

 private:
  std::chrono::nanoseconds duration();

  agenda& agenda_;
  random_source& random_;
  std::chrono::nanoseconds write_max_ = std::chrono::milliseconds{4};
  std::map<attempt_ref, protocol::finished> kept_, writing_;
  std::uint64_t process_ = 1;
};

} // namespace tayfa::sim
