#include "cluster/program/fleet/join.hpp"

#include "runtime/pods/pod_join.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/zmq_connector.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

namespace tayfa {

namespace {

using namespace std::chrono_literals;

constexpr auto answer_patience = 15s; ///< for one address
constexpr auto pause = 1s;            ///< between two rounds of all addresses
/// A head may not have seen yet that a token was added to its list.
constexpr auto token_patience = 3s;

/// Events of one connector after the other, to be waited for until the stop button is pressed.
class event_queue {
 public:
  explicit event_queue(stop_button& button) : button_(button) {
    button_.wake([this] {
      const std::lock_guard guard{mutex_};
      stopped_ = true;
      changed_.notify_all();
    });
  }
  ~event_queue() { button_.wake({}); }
  event_queue(const event_queue&) = delete;
  event_queue& operator=(const event_queue&) = delete;

  /// For another connector; the last one is gone.
  void clear() {
    const std::lock_guard guard{mutex_};
    events_.clear();
  }
  void push(pods::connector_event e) {
    const std::lock_guard guard{mutex_};
    events_.push_back(std::move(e));
    changed_.notify_all();
  }
  std::optional<pods::connector_event> pop(std::chrono::nanoseconds most) {
    std::unique_lock guard{mutex_};
    changed_.wait_for(guard, most, [this] { return stopped_ || !events_.empty(); });
    if (stopped_ || events_.empty()) {
      return std::nullopt;
    }
    auto first = std::move(events_.front());
    events_.pop_front();
    return first;
  }
  bool stopped() {
    const std::lock_guard guard{mutex_};
    return stopped_;
  }

 private:
  stop_button& button_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<pods::connector_event> events_;
  bool stopped_ = false;
};

/// Tries one address once, with the key of the token.
result<void> ask(const std::string& address, const pods::join_invitation& with,
                 const pods::key_pair& token_keys, const joining_pod& pod, const time_source& time,
                 event_queue& events) {
  events.clear();
  pods::zmq_connector connector{time};
  pods::pod_join join{pod.incarnation,
                      {pod.keys.public_key, pod.name, pod.release},
                      [&connector](const link_message& m) { return connector.send(m); }};
  connector.connect({"tcp://" + address, with.head_key, token_keys},
                    [&events](pods::connector_event e) { events.push(std::move(e)); });
  const auto until = time.now() + answer_patience;
  while (time.now() < until && !events.stopped()) {
    const auto due = std::min(join.next_deadline().value_or(until), until);
    const auto event = events.pop(std::max(due - time.now(), std::chrono::nanoseconds{1ms}));
    const auto answer = event ? join.on(time.now(), *event) : join.expire(time.now());
    if (answer) {
      return *answer ? result<void>{} : fail(answer->error());
    }
  }
  return fail(errc::unavailable, address + " does not answer");
}

/// The head lets the pod in under its own key: an earlier answer was lost.
bool is_known(const std::string& address, const pods::join_invitation& with, const joining_pod& pod,
              const time_source& time, event_queue& events) {
  events.clear();
  pods::zmq_connector connector{time};
  connector.connect({"tcp://" + address, with.head_key, pod.keys},
                    [&events](pods::connector_event e) { events.push(std::move(e)); });
  const auto first = events.pop(answer_patience);
  return first && std::holds_alternative<pods::connected>(*first);
}

} // namespace

result<void> join_head(const pods::join_invitation& with, const joining_pod& pod,
                       const time_source& time, event_log& log, stop_button& button,
                       std::chrono::milliseconds patience) {
  const auto token_keys = pods::pair_of(with.join_key);
  if (!token_keys) {
    return fail(errc::bad_usage, "the join string holds no usable key");
  }
  log.info("joining", {{"with", pods::shown(with)}, {"name", pod.name}});
  event_queue events{button};
  const auto until = time.now() + patience;
  const auto certain_at = time.now() + token_patience;
  error last{errc::unavailable, "the join string names no address"};
  for (;;) {
    for (const auto& address : with.addresses) {
      const auto answer = ask(address, with, *token_keys, pod, time, events);
      if (answer || is_known(address, with, pod, time, events)) {
        return {};
      }
      if (events.stopped()) {
        return fail(errc::stopping, "it was stopped before the head had let it in");
      }
      last = answer.error();
      if (last.code == errc::unauthorized && time.now() >= certain_at) {
        return fail(last.code, last.text + "; make another one at the head: tayfa link token");
      }
      log.warn("join_failed", {{"address", address}, {"text", last.str()}});
    }
    if (time.now() >= until) {
      return fail(errc::unavailable, "the head did not answer: " + last.str());
    }
    events.clear();
    events.pop(pause);
  }
}

} // namespace tayfa
