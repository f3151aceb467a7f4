#include "actors/sim/purger.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace tayfa::sim {

struct purge_now {};
struct purge_answered {
  api::response response{};
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::purge_now)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::purge_answered)

namespace tayfa::sim {

namespace {

/// `{"removed": N}`, or an error whose message ends with "N jobs were cancelled; …"
/// (queue::cut_short); one without a number has cancelled nothing.
std::size_t removed_of(const std::string& body) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(body, failed);
  if (const auto* number = failed ? nullptr : value.as_object().if_contains("removed")) {
    return number->to_number<std::size_t>();
  }
  const std::string_view text{body};
  const auto end = text.find(" jobs were cancelled");
  if (end == std::string_view::npos) {
    return 0;
  }
  const auto before = text.find_last_not_of("0123456789", end - 1);
  std::size_t jobs = 0;
  std::from_chars(text.data() + before + 1, text.data() + end, jobs);
  return jobs;
}

class purger : public caf::event_based_actor {
 public:
  purger(caf::actor_config& cfg, sim_gateway& gateway, random_source& random,
         purger_options options, std::shared_ptr<purge_history> seen)
      : caf::event_based_actor(cfg), gateway_(gateway), random_(random), options_(options),
        seen_(std::move(seen)) {}

  const char* name() const override { return "sim_purger"; }

  caf::behavior make_behavior() override {
    later(options_.first_after);
    return {[this](const purge_now&) { ask(); },
            [this](const purge_answered& m) { answered(m.response); }};
  }

 private:
  void later(std::chrono::milliseconds least = {}) {
    const auto most = static_cast<double>(options_.gap_max.count());
    const std::chrono::milliseconds more{static_cast<std::int64_t>(random_.unit() * most)};
    delayed_send(this, caf::timespan{least + more}, purge_now{});
  }

  void ask() {
    const auto call = api::parse({"POST", "/purge-queue", "application/json", {}}, {});
    if (!call) {
      return; // asked without an answer: the check finds it
    }
    ++seen_->asked;
    gateway_.call(*call, std::make_shared<reply>(
                             [me = caf::actor_cast<caf::actor>(this)](api::response r, receipt) {
                               r.body = r.whole_body();
                               r.more.clear();
                               caf::anon_send(me, purge_answered{std::move(r)});
                             },
                             nullptr));
  }

  void answered(const api::response& r) {
    ++seen_->answered;
    seen_->cut_short += r.status == 200 ? 0 : 1;
    seen_->removed += removed_of(r.body);
    if (seen_->asked < options_.calls) {
      later();
    }
  }

  sim_gateway& gateway_;
  random_source& random_;
  purger_options options_;
  std::shared_ptr<purge_history> seen_;
};

} // namespace

caf::actor spawn_purger(caf::actor_system& system, sim_gateway& gateway, random_source& random,
                        purger_options options, std::shared_ptr<purge_history> seen) {
  return system.spawn<purger>(gateway, random, options, std::move(seen));
}

} // namespace tayfa::sim
