// Many pods in one process, with scripted slots, for a real head over real sockets. Sessions and
// connections are those of `tayfa pod`; there are no engines, and the memory keeps results instead
// of a disk.
//
//     scripted_pods --data HEAD_DATA --address HOST:PORT --pods N --slots M
//                   [--first K] [--delay MS]
//
// Each pod's key is entered in the head's list, as `tayfa link trust` does. One line of JSON a
// second, {"linked":…,"running":…,"finished":…,"sessions":…,"returned":…}, until stdin ends.
// A job's output is its input.
#include "runtime/base/random.hpp"
#include "runtime/base/secrets.hpp"
#include "runtime/pods/pod_session.hpp"
#include "runtime/pods_net/allow_list.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/link_keys.hpp"
#include "runtime/pods_net/trust_file.hpp"
#include "runtime/pods_net/zmq_connector.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace {

using namespace tayfa;
using namespace tayfa::pods;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "scripted_pods: %s\n", why.c_str());
  std::exit(1);
}

struct options {
  std::string data, address;
  std::uint32_t pods = 1, slots = 1, first = 0, delay_ms = 0;
};

options read_options(int count, char** words) {
  options o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = words[i];
    const std::string_view value = words[i + 1];
    const auto number = [&](std::uint32_t& into) {
      const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), into);
      if (fault != std::errc{} || end != value.data() + value.size()) {
        give_up(name + " needs a number");
      }
    };
    if (name == "--data") {
      o.data = value;
    } else if (name == "--address") {
      o.address = value;
    } else if (name == "--pods") {
      number(o.pods);
    } else if (name == "--slots") {
      number(o.slots);
    } else if (name == "--first") {
      number(o.first);
    } else if (name == "--delay") {
      number(o.delay_ms);
    } else {
      give_up("unknown option " + name);
    }
  }
  if (o.data.empty() || o.address.empty()) {
    give_up("--data and --address are needed");
  }
  return o;
}

/// A number of the connection's try and what it says, of one pod.
struct event {
  std::uint32_t pod;
  std::uint64_t attempt;
  connector_event what;
};

struct totals {
  std::uint64_t running = 0, finished = 0;
};

/// The main thread drives each pod: its session, its connection and its slots.
class scripted_pod {
 public:
  scripted_pod(const options& o, std::uint32_t index, key_pair keys, const std::string& head_key,
               const time_source& time, random_source& random, inbox<event>& events, totals& sums)
      : index_(index), delay_(o.delay_ms), keys_(std::move(keys)), time_(time), events_(events),
        sums_(sums), connector_(time),
        session_({}, identity(o, index), {{"tcp://" + o.address, head_key}}, random,
                 [this](const link_message& m) { return connector_.send(m); }) {
    obey(session_.start(time_.now(), {}));
    for (std::uint32_t slot = 0; slot < o.slots; ++slot) {
      worker_ready ready;
      ready.worker = {slot_id{slot}, 1};
      obey(session_.on(time_.now(), ready));
    }
  }

  void on(event& e) {
    if (e.attempt == tries_) {
      obey(session_.on(time_.now(), e.what));
    }
  }

  /// Ends what is due; when to come again.
  std::optional<moment> move() {
    const auto now = time_.now();
    while (!running_.empty() && running_.begin()->first <= now) {
      auto done = std::move(running_.begin()->second);
      running_.erase(running_.begin());
      --sums_.running;
      ++sums_.finished;
      obey(session_.on(now, done));
    }
    auto next = session_.next_deadline();
    if (next && *next <= now) {
      obey(session_.expire(now));
      next = session_.next_deadline();
    }
    if (!running_.empty()) {
      next = next ? std::min(*next, running_.begin()->first) : running_.begin()->first;
    }
    return next;
  }

  bool linked() const { return session_.status(time_.now()).linked; }
  const pod_session::counters& count() const { return session_.count(); }

 private:
  static pod_identity identity(const options& o, std::uint32_t index) {
    pod_identity self;
    self.name = "scripted-" + std::to_string(o.first + index);
    self.release = "scripted";
    return self;
  }

  void obey(session_effects all) {
    for (auto& each : all) {
      std::visit([this](auto& one) { carry_out(one); }, each);
    }
  }

  void carry_out(connect_head& e) {
    connector_.connect({e.address, e.head_key, keys_},
                       [this, number = ++tries_](connector_event what) {
                         events_.post({index_, number, std::move(what)});
                       });
  }
  void carry_out(disconnect_head&) {
    ++tries_;
    connector_.disconnect();
  }
  void carry_out(assign_attempts& order) {
    const auto now = time_.now();
    for (auto& body : order.bodies) {
      obey(session_.on(now, attempt_reported{order.worker, protocol::started{body.attempt}}));
      protocol::finished end;
      end.attempt = body.attempt;
      end.output = body.input;
      end.run_ms = delay_;
      running_.emplace(now + std::chrono::milliseconds{delay_},
                       attempt_reported{order.worker, std::move(end)});
      ++sums_.running;
    }
  }
  void carry_out(revoke_attempt& e) {
    for (auto it = running_.begin(); it != running_.end(); ++it) {
      auto& end = std::get<protocol::finished>(it->second.body);
      if (it->second.worker.slot == e.worker.slot && end.attempt == e.attempt) {
        end.how = protocol::outcome::cancelled;
        end.output = {};
        auto done = std::move(it->second);
        running_.erase(it);
        --sums_.running;
        obey(session_.on(time_.now(), done));
        return;
      }
    }
  }
  void carry_out(keep_result& e) {
    const auto attempt = e.result.attempt;
    kept_[attempt] = std::move(e.result);
    obey(session_.result_kept(time_.now(), attempt, {}));
  }
  void carry_out(read_result& e) {
    const auto found = kept_.find(e.attempt);
    if (found != kept_.end()) {
      obey(session_.result_read(time_.now(), e.attempt, found->second));
    }
  }
  void carry_out(delete_result& e) { kept_.erase(e.attempt); }
  void carry_out(change_worker_model&) {}
  void carry_out(remember_head&) {}
  void carry_out(head_moved&) {}
  void carry_out(make_key&) {}
  void carry_out(pod_event& e) {
    if (e.kind == pod_event::what::refused && ++refusals_ > 20) {
      give_up("the head refuses pod " + std::to_string(index_) + ": " + e.text);
    }
  }

  const std::uint32_t index_;
  const std::uint32_t delay_;
  key_pair keys_;
  const time_source& time_;
  inbox<event>& events_;
  totals& sums_;
  zmq_connector connector_;
  pod_session session_;
  std::multimap<moment, attempt_reported> running_;
  std::map<attempt_ref, protocol::finished> kept_;
  std::uint64_t tries_ = 0;
  unsigned refusals_ = 0;
};

std::vector<key_pair> trusted_keys(const options& o, const time_source& time) {
  system_secrets secrets;
  std::vector<key_pair> keys;
  for (std::uint32_t i = 0; i < o.pods; ++i) {
    auto made = make_key_pair(secrets);
    if (!made) {
      give_up(made.error().str());
    }
    keys.push_back(std::move(*made));
  }
  const auto listed = change_allow_list(allow_list_path(o.data + "/link"), [&](allow_list& list) {
    for (std::uint32_t i = 0; i < o.pods; ++i) {
      const auto name = "scripted-" + std::to_string(o.first + i);
      if (auto ok = list.trust(keys[i].public_key, name, "scripted_pods", wall_of(time)); !ok) {
        return ok;
      }
    }
    return result<void>{};
  });
  if (!listed) {
    give_up(listed.error().str());
  }
  return keys;
}

void print(const std::vector<std::unique_ptr<scripted_pod>>& pods, const totals& sums) {
  std::uint64_t linked = 0;
  std::uint64_t sessions = 0;
  std::uint64_t returned = 0;
  for (const auto& pod : pods) {
    linked += pod->linked() ? 1 : 0;
    sessions += pod->count().sessions;
    returned += pod->count().returned;
  }
  std::printf(
      "{\"linked\":%ju,\"running\":%ju,\"finished\":%ju,\"sessions\":%ju,\"returned\":%ju}\n",
      static_cast<std::uintmax_t>(linked), static_cast<std::uintmax_t>(sums.running),
      static_cast<std::uintmax_t>(sums.finished), static_cast<std::uintmax_t>(sessions),
      static_cast<std::uintmax_t>(returned));
  std::fflush(stdout);
}

/// Milliseconds to wait, rounded up.
int wait_for(moment now, moment due) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000));
}

void serve(const options& o) {
  system_time time;
  seeded_random random;
  totals sums;
  const auto head = read_keys(o.data + "/link", "head");
  if (!head) {
    give_up(head.error().str());
  }
  auto keys = trusted_keys(o, time);
  inbox<event> events;
  std::vector<std::unique_ptr<scripted_pod>> pods;
  for (std::uint32_t i = 0; i < o.pods; ++i) {
    pods.push_back(std::make_unique<scripted_pod>(o, i, std::move(keys[i]), head->public_key, time,
                                                  random, events, sums));
  }
  // Each pod stands here once, under the moment at which it must be looked at.
  std::multimap<moment, std::uint32_t> due;
  std::vector<std::multimap<moment, std::uint32_t>::iterator> place(o.pods, due.end());
  const auto move = [&](std::uint32_t i) {
    if (place[i] != due.end()) {
      due.erase(place[i]);
      place[i] = due.end();
    }
    if (const auto next = pods[i]->move()) {
      place[i] = due.emplace(*next, i);
    }
  };
  for (std::uint32_t i = 0; i < o.pods; ++i) {
    move(i);
  }
  auto report_at = time.now();
  for (;;) {
    auto now = time.now();
    while (!due.empty() && due.begin()->first <= now) {
      move(due.begin()->second);
    }
    if (report_at <= now) {
      print(pods, sums);
      report_at = now + std::chrono::seconds{1};
    }
    const auto next = due.empty() ? report_at : std::min(report_at, due.begin()->first);
    pollfd wanted[] = {{events.descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    ::poll(wanted, 2, wait_for(time.now(), next));
    if (wanted[1].revents != 0) {
      print(pods, sums);
      return;
    }
    auto arrived = events.take();
    for (auto& e : arrived.commands) {
      pods[e.pod]->on(e);
      move(e.pod);
    }
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

} // namespace

int main(int count, char** words) {
  raise_descriptor_limit();
  serve(read_options(count, words));
  std::_Exit(0); // the connectors' threads end with the process
}
