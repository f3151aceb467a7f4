#include "actors/sim/sim_network.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::sim {

using pods::connection_id;

void agenda::later(std::chrono::nanoseconds delay, std::function<void()> act) {
  at(now() + delay, std::move(act));
}

std::optional<moment> agenda::next() const {
  return acts_.empty() ? std::nullopt : std::optional{acts_.begin()->first};
}

bool agenda::step() {
  if (acts_.empty() || acts_.begin()->first > now()) {
    return false;
  }
  auto node = acts_.extract(acts_.begin());
  node.mapped()();
  return true;
}

// ---- the ends ----------------------------------------------------------------------------------

class sim_network::listener final : public pods::pod_listener {
 public:
  explicit listener(sim_network& net) : net_(net) {}

  result<std::string> open(const pods::listen_options& o,
                           std::function<void(pods::listener_event)> on_event) override {
    if (on_event_) {
      return fail(errc::wrong_state, "it listens already");
    }
    key_ = o.keys.public_key;
    on_event_ = std::move(on_event);
    return o.endpoint;
  }
  pods::sent send(connection_id id, const link_message& m) override {
    auto* const c = net_.find(id);
    if (c == nullptr || !c->at_head) {
      return pods::sent::gone;
    }
    net_.agenda_.at(net_.after_earlier(c->last_down),
                    [net = &net_, id, m] { net->arrive_down(id, m); });
    return pods::sent::yes;
  }
  void drop(connection_id id) override { net_.end_at_head(id); }
  void admit(std::shared_ptr<const pods::admitted> list) override { list_ = std::move(list); }
  result<std::string> add_endpoint(const pods::listen_options&) override {
    return fail(errc::not_implemented);
  }
  result<void> remove_endpoint(const std::string&) override { return fail(errc::not_implemented); }
  void close() override {
    on_event_ = nullptr;
    std::vector<connection_id> all;
    for (const auto& [id, c] : net_.connections_) {
      all.push_back(id);
    }
    for (const auto id : all) {
      net_.end_at_head(id);
    }
  }

  void tell(pods::listener_event e) {
    if (on_event_) {
      on_event_(std::move(e));
    }
  }
  bool is_open() const { return on_event_ != nullptr; }
  bool admits(const std::string& key) const { return list_ && list_->keys.contains(key); }
  const std::string& key() const { return key_; }

 private:
  sim_network& net_;
  std::string key_;
  std::function<void(pods::listener_event)> on_event_;
  std::shared_ptr<const pods::admitted> list_;
};

class sim_network::connector final : public pods::head_connector {
 public:
  connector(sim_network& net, std::size_t index) : net_(net), index_(index) {}

  void connect(const pods::connect_options& o,
               std::function<void(pods::connector_event)> on_event) override {
    disconnect();
    on_event_ = std::move(on_event);
    net_.agenda_.later(net_.latency(), [this, o, number = number_] {
      if (number == number_) {
        net_.connect(index_, number, o);
      }
    });
  }
  pods::sent send(const link_message& m) override {
    auto* const c = net_.find(connection);
    if (c == nullptr || !c->at_pod) {
      return pods::sent::gone;
    }
    net_.agenda_.at(net_.after_earlier(c->last_up),
                    [net = &net_, id = connection, m] { net->arrive_up(id, m); });
    return pods::sent::yes;
  }
  void disconnect() override {
    ++number_;
    on_event_ = nullptr;
    if (const auto id = std::exchange(connection, 0); id != 0) {
      net_.end_at_pod(id, "");
    }
  }

  void tell(std::uint64_t number, pods::connector_event e) {
    if (number == number_ && on_event_) {
      on_event_(std::move(e));
    }
  }
  std::uint64_t number() const { return number_; }

  connection_id connection = 0;

 private:
  sim_network& net_;
  std::size_t index_;
  std::uint64_t number_ = 0; ///< of the try
  std::function<void(pods::connector_event)> on_event_;
};

// ---- the network -------------------------------------------------------------------------------

sim_network::sim_network(agenda& acts, random_source& random, std::size_t pods)
    : agenda_(acts), random_(random), listener_(std::make_unique<listener>(*this)), paths_(pods) {
  for (std::size_t i = 0; i < pods; ++i) {
    connectors_.push_back(std::make_unique<connector>(*this, i));
  }
}

sim_network::~sim_network() = default;

pods::pod_listener& sim_network::head() {
  return *listener_;
}

pods::head_connector& sim_network::pod(std::size_t index) {
  return *connectors_.at(index);
}

std::chrono::nanoseconds sim_network::latency() {
  return std::chrono::nanoseconds{
      1 + static_cast<std::int64_t>(random_.unit() * static_cast<double>(latency_max.count()))};
}

moment sim_network::after_earlier(moment& last) {
  last = std::max(last, agenda_.now() + latency());
  return last;
}

sim_network::connection* sim_network::find(connection_id id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : &it->second;
}

void sim_network::connect(std::size_t pod, std::uint64_t number, const pods::connect_options& o) {
  const auto answer = [this, pod, number](std::chrono::nanoseconds after, pods::connector_event e) {
    agenda_.later(after, [this, pod, number, e] { connectors_[pod]->tell(number, e); });
  };
  using pods::cut;
  if (paths_[pod].up_lost || paths_[pod].down_lost) {
    answer(connect_patience, pods::connection_ended{cut::unreachable, "no answer"});
  } else if (!listener_->is_open()) {
    answer(latency(), pods::connection_ended{cut::unreachable, "connection refused"});
  } else if (listener_->key() != o.head_key) {
    answer(latency(), pods::connection_ended{cut::wrong_head_key, "another key"});
  } else if (!listener_->admits(o.keys.public_key)) {
    answer(latency(), pods::connection_ended{cut::refused, "400"});
  } else {
    const auto id = ++made_;
    connections_[id] = {pod, o.keys.public_key};
    agenda_.later(latency(), [this, pod, number, id] {
      auto& end = *connectors_[pod];
      if (end.number() != number) {
        end_at_pod(id, "");
        return;
      }
      end.connection = id;
      end.tell(number, pods::connected{});
    });
  }
}

void sim_network::arrive_up(connection_id id, const link_message& m) {
  auto* const c = find(id);
  if (c == nullptr) {
    return;
  }
  c->broken = c->broken || paths_[c->pod].up_lost;
  if (c->at_head && !c->broken) {
    listener_->tell(pods::received{id, c->key, *m});
  }
}

void sim_network::arrive_down(connection_id id, const link_message& m) {
  auto* const c = find(id);
  if (c == nullptr) {
    return;
  }
  c->broken = c->broken || paths_[c->pod].down_lost;
  auto& end = *connectors_[c->pod];
  if (c->at_pod && !c->broken && end.connection == id) {
    end.tell(end.number(), pods::message_in{*m});
  }
}

void sim_network::forget(connection_id id) {
  const auto* const c = find(id);
  if (c != nullptr && !c->at_head && !c->at_pod) {
    connections_.erase(id);
  }
}

/// The head's end is closed; the pod learns of it where the path lets it.
void sim_network::end_at_head(connection_id id) {
  auto* const c = find(id);
  if (c == nullptr || !std::exchange(c->at_head, false)) {
    return;
  }
  agenda_.later(std::chrono::nanoseconds{0}, [this, id] { listener_->tell(pods::gone{id}); });
  agenda_.at(after_earlier(c->last_down), [this, id] {
    auto* const still = find(id);
    if (still != nullptr && !paths_[still->pod].down_lost) {
      end_at_pod(id, "closed by the head");
    }
  });
  forget(id);
}

/// Likewise; the pod's application is informed when there is a reason.
void sim_network::end_at_pod(connection_id id, const char* why) {
  auto* const c = find(id);
  if (c == nullptr || !std::exchange(c->at_pod, false)) {
    return;
  }
  auto& end = *connectors_[c->pod];
  if (end.connection == id) {
    end.connection = 0;
    end.tell(end.number(), pods::connection_ended{pods::cut::ended, why});
  }
  agenda_.at(after_earlier(c->last_up), [this, id] {
    auto* const still = find(id);
    if (still != nullptr && !paths_[still->pod].up_lost) {
      end_at_head(id);
    }
  });
  forget(id);
}

// ---- faults ------------------------------------------------------------------------------------

void sim_network::cut(std::size_t pod) {
  std::vector<connection_id> all;
  for (const auto& [id, c] : connections_) {
    if (c.pod == pod) {
      all.push_back(id);
    }
  }
  for (const auto id : all) {
    ++cuts_;
    end_at_pod(id, "reset");
    end_at_head(id);
  }
}

void sim_network::lose(std::size_t pod, bool up, bool down) {
  paths_[pod].up_lost = paths_[pod].up_lost || up;
  paths_[pod].down_lost = paths_[pod].down_lost || down;
}

void sim_network::mend(std::size_t pod) {
  paths_[pod] = {};
  std::vector<connection_id> dead;
  for (const auto& [id, c] : connections_) {
    if (c.pod == pod && (c.broken || !c.at_head || !c.at_pod)) {
      dead.push_back(id);
    }
  }
  for (const auto id : dead) {
    end_at_pod(id, "reset");
    end_at_head(id);
  }
}

// ---- trust -------------------------------------------------------------------------------------

void sim_trust::watch(std::function<void(result<std::shared_ptr<const pods::admitted>>)> changed) {
  changed_ = std::move(changed);
  report();
}

void sim_trust::set(pods::admitted list) {
  list_ = std::make_shared<const pods::admitted>(std::move(list));
  report();
}

void sim_trust::report() {
  agenda_.later(std::chrono::nanoseconds{1}, [this] {
    if (changed_) {
      changed_(list_);
    }
  });
}

/// Tokens are tested over the real list (tests/unit/pods_net).
void sim_trust::join(std::string, std::string, std::string,
                     std::function<void(result<void>)> done) {
  agenda_.later(std::chrono::nanoseconds{1},
                [done = std::move(done)] { done(fail(errc::unauthorized)); });
}

void sim_trust::list(std::function<void(result<trust_list>)> done) {
  agenda_.later(std::chrono::nanoseconds{1}, [this, done = std::move(done)] { done(shown()); });
}

/// Names are the keys.
void sim_trust::change(change_trust wanted, std::function<void(result<trust_list>)> done) {
  auto list = *list_;
  if (wanted.trusted) {
    list.keys.emplace(wanted.pod, "");
  } else {
    list.keys.erase(wanted.pod);
  }
  set(std::move(list));
  this->list(std::move(done));
}

void sim_trust::make_token(make_join_text, std::string,
                           std::function<void(result<join_text>)> done) {
  agenda_.later(std::chrono::nanoseconds{1}, [done = std::move(done)] {
    done(fail(errc::unavailable, "no pod joins in a simulation"));
  });
}

trust_list sim_trust::shown() const {
  trust_list out;
  for (const auto& [key, token] : list_->keys) {
    out.pods.push_back({key, key, true, "simulation"});
  }
  return out;
}

// ---- results -----------------------------------------------------------------------------------

std::chrono::nanoseconds sim_results::duration() {
  return std::chrono::nanoseconds{
      static_cast<std::int64_t>(random_.unit() * static_cast<double>(write_max_.count()))};
}

void sim_results::open(std::function<void(result<std::vector<pods::kept_result>>)> done) {
  agenda_.later(duration(), [this, process = process_, done = std::move(done)] {
    if (process != process_) {
      return;
    }
    std::vector<pods::kept_result> all;
    for (const auto& [attempt, m] : kept_) {
      all.push_back({attempt, m.output.size() + m.text.size()});
    }
    done(std::move(all));
  });
}

void sim_results::keep(protocol::finished m, std::function<void(result<void>)> done) {
  const auto attempt = m.attempt;
  writing_[attempt] = std::move(m);
  agenda_.later(duration(), [this, attempt, process = process_, done = std::move(done)] {
    if (process == process_) {
      kept_.insert(writing_.extract(attempt));
      done({});
    }
  });
}

void sim_results::read(attempt_ref attempt, std::function<void(result<protocol::finished>)> done) {
  agenda_.later(duration(), [this, attempt, process = process_, done = std::move(done)] {
    if (process != process_) {
      return;
    }
    const auto it = kept_.find(attempt);
    done(it == kept_.end() ? result<protocol::finished>{fail(errc::not_found)} : it->second);
  });
}

void sim_results::remove(attempt_ref attempt) {
  kept_.erase(attempt);
}

void sim_results::process_died() {
  ++process_;
  for (auto& [attempt, m] : std::exchange(writing_, {})) {
    if (random_.unit() < 0.5) {
      kept_.emplace(attempt, m);
    }
  }
}

} // namespace tayfa::sim
