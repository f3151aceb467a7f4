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

/// `{"removed": N}`, or an error whose text begins with the number.
std::size_t removed_of(const std::string& body) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(body, failed);
  if (failed || !value.is_object()) {
    return 0;
  }
  const auto& members = value.as_object();
  if (const auto* number = members.if_contains("removed")) {
    return number->to_number<std::size_t>();
  }
  std::size_t jobs = 0;
  if (const auto* text = members.if_contains("error"); text != nullptr && text->is_string()) {
    const auto words = std::string_view{text->as_string()};
    const auto digit = words.find_first_of("0123456789");
    if (digit != std::string_view::npos) {
      std::from_chars(words.data() + digit, words.data() + words.size(), jobs);
    }
  }
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
    later();
    return {[this](const purge_now&) { ask(); },
            [this](const purge_answered& m) { answered(m.response); }};
  }

 private:
  void later() {
    const auto most = static_cast<double>(options_.gap_max.count());
    delayed_send(
        this,
        caf::timespan{std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * most)}},
        purge_now{});
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
