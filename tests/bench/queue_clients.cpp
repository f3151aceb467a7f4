#include "tests/bench/queue_clients.hpp"

#include "actors/ingress.hpp"

#include <cstdio>
#include <cstdlib>
#include <future>
#include <limits>
#include <mutex>

namespace tayfa::bench {

namespace {

using steady = std::chrono::steady_clock;

/// The common schedule of all clients, and the collector of their measurements.
class shift {
 public:
  shift(unsigned clients, steady::time_point end, unsigned cycles)
      : end_(end), cycles_(cycles), begun_(steady::now()), left_(clients) {}

  bool goes_on(std::size_t done) const { return done < cycles_ && steady::now() < end_; }
  void over(std::vector<double> cycles) {
    const std::lock_guard guard{mutex_};
    out_.cycles.insert(out_.cycles.end(), cycles.begin(), cycles.end());
    out_.seconds = std::chrono::duration<double>(steady::now() - begun_).count();
    if (--left_ == 0) {
      all_.set_value(std::move(out_));
    }
  }
  measured wait() { return all_.get_future().get(); }

 private:
  const steady::time_point end_;
  const std::size_t cycles_;
  const steady::time_point begun_;
  std::mutex mutex_; ///< guards the members below
  unsigned left_;
  measured out_;
  std::promise<measured> all_;
};

struct begin_shift {
  std::shared_ptr<shift> what;
};
struct answered {
  unsigned status = 0;
  std::string body;
};

} // namespace

} // namespace tayfa::bench

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::bench::begin_shift)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::bench::answered)

namespace tayfa::bench {

namespace {

using client_actor = caf::typed_actor<caf::reacts_to<begin_shift>, caf::reacts_to<answered>>;

std::string input_of(unsigned client, std::size_t size) {
  static constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out{R"({"prompt":")"};
  const std::string_view tail = "\"}";
  std::uint32_t state = 2654435761U * (client + 1);
  while (out.size() + tail.size() < size) { // a different text for each client
    state = state * 1664525U + 1013904223U;
    out.push_back(letters[state >> 26]);
  }
  return out.append(tail);
}

class client final : public client_actor::base {
 public:
  client(caf::actor_config& c, ingress_actor ingress, unsigned number, std::size_t payload)
      : client_actor::base(c), ingress_(std::move(ingress)) {
    request_.job.endpoint = "tayfa";
    request_.job.input = shared_text{input_of(number, payload)};
    request_.job.sync = true;
    request_.wait = std::chrono::milliseconds{90'000};
  }

  behavior_type make_behavior() override {
    return {[this](const begin_shift& m) {
              shift_ = m.what;
              spent_.clear();
              begin();
            },
            [this](const answered& m) { end(m); }};
  }
  void on_exit() override { ingress_ = nullptr; }

 private:
  void begin() {
    if (!shift_->goes_on(spent_.size())) {
      std::exchange(shift_, nullptr)->over(std::move(spent_));
      return;
    }
    since_ = steady::now();
    auto answer =
        std::make_shared<reply>([me = caf::actor_cast<client_actor>(this)](api::response r) {
          caf::anon_send(me, answered{r.status, std::move(r.body)});
        });
    send(ingress_, client_call{request_, std::move(answer)});
  }
  void end(const answered& m) {
    if (m.status != 200 || m.body.find("\"COMPLETED\"") == std::string::npos) {
      give_up("a job ended with " + std::to_string(m.status) + " " + m.body);
    }
    spent_.push_back(std::chrono::duration<double>(steady::now() - since_).count());
    begin();
  }

  ingress_actor ingress_;
  api::submit request_;
  std::shared_ptr<shift> shift_;
  steady::time_point since_;
  std::vector<double> spent_;
};

steady::time_point in(double seconds) {
  return steady::now() +
         std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
}

} // namespace

void give_up(const std::string& why) {
  std::fprintf(stderr, "bench_queue: error: %s\n", why.c_str());
  std::_Exit(1);
}

struct bench_clients::members {
  std::vector<client_actor> all;

  measured work(steady::time_point end, std::size_t cycles) {
    const auto together = std::make_shared<shift>(static_cast<unsigned>(all.size()), end, cycles);
    for (const auto& each : all) {
      caf::anon_send(each, begin_shift{together});
    }
    return together->wait();
  }
};

bench_clients::bench_clients(caf::actor_system& system, ingress_actor ingress, unsigned clients,
                             std::size_t payload)
    : members_(std::make_unique<members>()) {
  for (unsigned i = 0; i < clients; ++i) {
    members_->all.push_back(system.spawn<client>(ingress, i, payload));
  }
}

bench_clients::~bench_clients() {
  for (const auto& each : members_->all) {
    caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  }
}

void bench_clients::warm_up() {
  members_->work(in(warm_up_seconds), warm_up_cycles);
}

measured bench_clients::run(double seconds) {
  return members_->work(in(seconds), std::numeric_limits<std::size_t>::max());
}

} // namespace tayfa::bench
