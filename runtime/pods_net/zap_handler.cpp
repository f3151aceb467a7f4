#include "runtime/pods_net/zap_handler.hpp"

#include "runtime/base/wakeup.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/peer_socket.hpp"

#include <deque>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace tayfa::pods {

namespace {

using namespace std::chrono_literals;

constexpr const char* zap_endpoint = "inproc://zeromq.zap.01";
constexpr const char* zap_version = "1.0";
constexpr const char* admitted_status = "200";
constexpr const char* refused_status = "400";
constexpr const char* failed_status = "500";
constexpr std::size_t parts_max = 16;
constexpr std::size_t envelope_parts = 2; ///< who asks, and an empty one
constexpr std::size_t parts_before_credentials = 6;
constexpr std::size_t failures_max = 8; ///< within failures_within
constexpr auto failures_within = 60s;
constexpr auto end_patience = 1s;

zap_verdict refused(std::string why, std::string key = {}) {
  return {false, {}, std::move(why), std::move(key)};
}

} // namespace

zap_verdict judge(const zap_request& request, const admitted* list) {
  if (request.domain == local_domain) {
    return request.mechanism == "NULL" ? zap_verdict{true, {}}
                                       : refused("this endpoint has no keys");
  }
  if (request.domain != curve_domain) {
    return refused("the endpoint is not one of the pod link");
  }
  if (request.mechanism != "CURVE" || request.key.size() != curve_key_bytes) {
    return refused("the link needs CURVE");
  }
  auto key = z85_of(request.key);
  if (list == nullptr) {
    return refused("nobody is let in yet", std::move(key));
  }
  const auto found = list->keys.find(key);
  if (found == list->keys.end()) {
    return refused("its key is not in the list of pods, or is revoked", std::move(key));
  }
  return {true, found->second.empty() ? key : "join:" + found->second, {}, key};
}

struct zap_handler::state {
  state(std::shared_ptr<zmq::context_t> shared, const time_source& clock, events given)
      : context(std::move(shared)), time(clock), on(std::move(given)),
        socket(*context, zmq::socket_type::router) {
    socket.set(zmq::sockopt::linger, 0);
    socket.bind(zap_endpoint);
  }

  /// The owner is gone; nothing of it may be called any more.
  template <class Call>
  void report(Call&& call) {
    const std::lock_guard guard{reporting};
    if (!left_behind) {
      call(on);
    }
  }

  const std::shared_ptr<zmq::context_t> context;
  const time_source& time;
  events on;
  std::mutex reporting;
  bool left_behind = false;
  unique_fd wakeup = make_wakeup();
  std::atomic<bool> stopping{false};
  std::atomic<moment::rep> busy_since{0};
  mutable std::mutex mutex; ///< of list
  std::shared_ptr<const admitted> list;
  zmq::socket_t socket;        ///< the thread's; no REP, which a request without an answer blocks
  std::deque<moment> failures; ///< the thread's
  std::promise<void> ended;
  std::future<void> end = ended.get_future();
  std::thread thread;
};

zap_handler::zap_handler(std::shared_ptr<zmq::context_t> context, const time_source& time,
                         events given)
    : state_(std::make_shared<state>(std::move(context), time, std::move(given))) {
  state_->thread = std::thread([kept = state_] {
    run(kept);
    kept->socket.close();
    kept->ended.set_value();
  });
}

zap_handler::~zap_handler() {
  stop();
}

void zap_handler::admit(std::shared_ptr<const admitted> list) {
  const std::lock_guard guard{state_->mutex};
  state_->list = std::move(list);
}

std::shared_ptr<const admitted> zap_handler::list() const {
  const std::lock_guard guard{state_->mutex};
  return state_->list;
}

std::chrono::nanoseconds zap_handler::busy_for() const {
  const auto since = state_->busy_since.load();
  return since == 0 ? 0ns : state_->time.now() - moment{std::chrono::nanoseconds{since}};
}

bool zap_handler::stop() {
  if (std::exchange(stopped_, true)) {
    return !state_->thread.joinable();
  }
  state_->stopping = true;
  wake_up(state_->wakeup);
  if (state_->end.wait_for(end_patience) == std::future_status::ready) {
    state_->thread.join();
    return true;
  }
  {
    // A thread that hangs within a decision holds no lock there.
    const std::lock_guard guard{state_->reporting};
    state_->left_behind = true;
  }
  state_->thread.detach();
  return false;
}

// ---- the handler's thread -----------------------------------------------------------------------

void zap_handler::run(const std::shared_ptr<state>& s) {
  std::string why;
  try {
    serve(*s);
    return;
  } catch (const std::exception& e) {
    why = e.what();
  }
  if (!s->stopping) {
    s->report([&](events& on) { on.failed(why, true); });
  }
}

/// Returns when it is asked to; throws when it gives up.
void zap_handler::serve(state& s) {
  while (!s.stopping) {
    zmq::pollitem_t items[] = {{s.socket.handle(), 0, ZMQ_POLLIN, 0},
                               {nullptr, s.wakeup.get(), ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, -1) < 0) {
      if (zmq_errno() == EINTR) {
        continue;
      }
      throw zmq::error_t{};
    }
    if ((items[0].revents & ZMQ_POLLIN) != 0) {
      answer_one(s);
    }
  }
}

void zap_handler::answer_one(state& s) {
  std::vector<std::string> parts;
  for (bool more = true; more;) {
    zmq::message_t part;
    if (!s.socket.recv(part, parts.empty() ? zmq::recv_flags::dontwait : zmq::recv_flags::none)) {
      return;
    }
    more = part.more();
    if (parts.size() < parts_max) {
      parts.push_back(part.to_string());
    }
  }
  if (parts.size() < envelope_parts + parts_before_credentials ||
      parts[envelope_parts] != zap_version) {
    return; // of no request that libzmq makes
  }
  const auto at = [&](std::size_t i) -> std::string& { return parts[envelope_parts + i]; };
  const bool has_key = parts.size() == envelope_parts + parts_before_credentials + 1;
  const zap_request request{at(2), plain_address(at(3)), at(5), has_key ? parts.back() : ""};
  zap_verdict verdict;
  const char* status = refused_status;
  s.busy_since = s.time.now().time_since_epoch().count();
  try {
    verdict = decide(s, request);
    status = verdict.admitted ? admitted_status : refused_status;
  } catch (const std::exception& e) {
    verdict = {};
    status = failed_status;
    count_failure(s, e.what());
  }
  s.busy_since = 0;
  if (status == refused_status) { // before libzmq closes the connection, which is reported too
    s.report([&](events& on) { on.refused(request, verdict); });
  }
  const std::string answer[] = {parts[0], "",          zap_version,  at(1),
                                status,   verdict.why, verdict.user, ""};
  for (std::size_t i = 0; i < std::size(answer); ++i) {
    s.socket.send(zmq::buffer(answer[i]),
                  i + 1 < std::size(answer) ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
}

zap_verdict zap_handler::decide(state& s, const zap_request& request) {
  if (s.on.deciding) {
    s.on.deciding(request);
  }
  std::shared_ptr<const admitted> list;
  {
    const std::lock_guard guard{s.mutex};
    list = s.list;
  }
  return judge(request, list.get());
}

/// Throws when there have been too many.
void zap_handler::count_failure(state& s, const std::string& why) {
  const auto now = s.time.now();
  s.failures.push_back(now);
  while (now - s.failures.front() > failures_within) {
    s.failures.pop_front();
  }
  if (s.failures.size() >= failures_max) {
    throw std::runtime_error{why};
  }
  s.report([&](events& on) { on.failed(why, false); });
}

} // namespace tayfa::pods
