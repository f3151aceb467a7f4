#include "actors/sim/workload.hpp"

#include "actors/sim/recipes.hpp"

#include <boost/json.hpp>

namespace tayfa::sim {

struct submit_next {};
struct submit_again {
  std::size_t index = 0;
};
struct poll_job {
  std::size_t index = 0;
};
struct cancel_now {
  std::size_t index = 0;
};
struct answer_came {
  std::size_t index = 0;
  std::uint32_t question = 0;
  api::response response;
};
struct client_leaves {
  std::shared_ptr<presence> who;
};
/// The pod learns whether an answer was received: later than the client, which may have asked for
/// more on another connection by then.
struct receipt_comes {
  std::shared_ptr<receipt> of;
  bool received = false;
  std::uint64_t hops = 0; ///< how often it goes to the end of the mailbox before it counts
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::submit_next)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::submit_again)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::poll_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::cancel_now)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::answer_came)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::client_leaves)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::receipt_comes)

namespace tayfa::sim {

namespace {

constexpr std::chrono::milliseconds receipt_late_max{250};
constexpr std::uint64_t receipt_hops_max = 20;

enum question : std::uint32_t { submitted, polled, streamed, drained, cancelled, strange };

std::string member(const std::string& json, const char* name) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(json, failed);
  if (failed || !value.is_object()) {
    return {};
  }
  const auto* found = value.as_object().if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->as_string()} : std::string{};
}

bool is_end(const std::string& state) {
  return state == "COMPLETED" || state == "FAILED" || state == "CANCELLED" || state == "TIMED_OUT";
}

class workload : public caf::event_based_actor {
 public:
  workload(caf::actor_config& cfg, sim_gateway& gateway, random_source& random,
           workload_options options, std::shared_ptr<history> seen, std::function<void()> finished)
      : caf::event_based_actor(cfg), gateway_(gateway), random_(random), options_(options),
        seen_(std::move(seen)), finished_(std::move(finished)) {}

  const char* name() const override { return "sim_workload"; }

  caf::behavior make_behavior() override {
    send(this, submit_next{});
    return {[this](const submit_next&) { submit(); },
            [this](const submit_again& m) { post(m.index); },
            [this](const poll_job& m) { poll(m.index); },
            [this](const cancel_now& m) {
              ask(m.index, cancelled, "POST", "/v2/tayfa/cancel/" + (*seen_)[m.index].accepted_id,
                  {});
            },
            [](const client_leaves& m) { m.who->left(); },
            [this](const receipt_comes& m) { receipt_came(m); },
            [this](const answer_came& m) { answered(m); }};
  }

 private:
  std::chrono::milliseconds some(std::chrono::milliseconds max) {
    return std::chrono::milliseconds{
        static_cast<std::int64_t>(random_.unit() * static_cast<double>(max.count()))};
  }

  void submit() {
    if (seen_->size() >= options_.jobs) {
      return;
    }
    const auto index = seen_->size();
    const auto r = draw(options_.mix, "job-" + std::to_string(index), random_);
    job_history job;
    job.kind = r.kind;
    job.expected_output = r.output;
    job.allowed = r.allowed;
    if (options_.purged) {
      job.allowed.emplace_back("CANCELLED");
    }
    bodies_.push_back(with_terms(r.body, index, job));
    seen_->push_back(std::move(job));
    sync_.push_back(random_.unit() < 0.3);
    post(index);
    delayed_send(this, caf::timespan{some(options_.gap_max)}, submit_next{});
  }

  void post(std::size_t index) {
    submitted_at_[index] = clock().now();
    ask(index, submitted, "POST", sync_[index] ? "/v2/tayfa/runsync?wait=1500" : "/run",
        bodies_[index]);
  }

  /// The recipe's body with a model, a tenant and a webhook, as the options say.
  std::string with_terms(const std::string& body, std::size_t index, job_history& job) {
    auto value = boost::json::parse(body).as_object();
    if (options_.padding > 0) {
      auto& input = value["input"].as_object();
      const bool echoed = job.expected_output == boost::json::serialize(input);
      input["padding"] = std::string(options_.padding, 'p');
      job.expected_output = echoed ? boost::json::serialize(input) : job.expected_output;
    }
    if (!options_.models.empty()) {
      job.model = options_.models[random_.next() % options_.models.size()];
      value["model"] = job.model;
    }
    if (!options_.tenants.empty()) {
      auto& policy = value["policy"];
      if (!policy.is_object()) {
        policy = boost::json::object{};
      }
      policy.as_object()["tenant"] = options_.tenants[random_.next() % options_.tenants.size()];
    }
    if (options_.persistent) {
      auto& policy = value["policy"];
      if (!policy.is_object()) {
        policy = boost::json::object{};
      }
      policy.as_object()["idempotencyKey"] = "key-" + std::to_string(index);
    }
    if (options_.webhooks) {
      constexpr const char* answers[] = {"/ok", "/fail", "/flaky"};
      job.webhook = "https://receiver.example/" + std::to_string(index) +
                    answers[random_.next() % std::size(answers)];
      value["webhook"] = job.webhook;
    }
    return boost::json::serialize(value);
  }

  void poll(std::size_t index) {
    const auto& id = (*seen_)[index].accepted_id;
    if (options_.strangers) {
      ask_as_stranger(index, id);
    }
    if (options_.held && random_.unit() < 0.8) {
      ask_and_wait(index, (*seen_)[index].kind == "stream" && random_.unit() < 0.5);
    } else if ((*seen_)[index].kind == "stream" && random_.unit() < 0.5) {
      ask(index, streamed, "GET", "/v2/tayfa/stream/" + id, {});
    } else {
      ask(index, polled, "GET", "/status/" + id, {});
    }
  }

  void ask_and_wait(std::size_t index, bool chunks) {
    auto question = held_question::draw((*seen_)[index].accepted_id, chunks, random_);
    const auto client = std::make_shared<presence>();
    if (question.leaves) {
      delayed_send(this, caf::timespan{*question.leaves}, client_leaves{client});
    }
    question.age = clock().now() - submitted_at_.at(index);
    const auto asked = std::pair{question.method, question.target};
    waiting_[index] = {std::move(question), clock().now()};
    ask(index, chunks ? streamed : polled, asked.first, asked.second, {}, {}, client);
  }

  /// The client got an answer that keeps the rules, and asks again at once.
  void judge_held(const answer_came& m, job_history& job) {
    const auto node = waiting_.extract(m.index);
    if (node.empty()) {
      return;
    }
    const auto& [question, asked] = node.mapped();
    ++job.held_answers;
    auto fault = question.fault(clock().now() - asked, m.response.status, m.response.body,
                                options_.held_where);
    if (!fault.empty()) {
      job.badly_held.push_back(std::move(fault));
    }
  }

  /// Asks for the chunks of a job that has ended until there are none left.
  void drain(std::size_t index) {
    ask(index, drained, "GET", "/v2/tayfa/stream/" + (*seen_)[index].accepted_id, {});
  }

  /// By a tenant's key of another tenant, or without any bound but under another endpoint.
  void ask_as_stranger(std::size_t index, const std::string& id) {
    constexpr std::pair<const char*, const char*> routes[] = {
        {"GET", "status"}, {"GET", "stream"}, {"POST", "cancel"}, {"POST", "retry"}};
    const auto [method, route] = routes[random_.next() % std::size(routes)];
    if (random_.unit() < 0.5) {
      ask(index, strange, method, "/" + std::string{route} + "/" + id, {},
          api::principal{"stranger", "stranger", false});
    } else {
      ask(index, strange, method, "/v2/other/" + std::string{route} + "/" + id, {});
    }
  }

  void ask(std::size_t index, std::uint32_t what, std::string method, std::string target,
           std::string body, api::principal who = {},
           const std::shared_ptr<presence>& client = nullptr) {
    api::request asked{std::move(method), std::move(target), "application/json", std::move(body)};
    asked.who = std::move(who);
    api::limits bounds;
    bounds.endpoints = {"tayfa", "other"};
    const auto parsed = api::parse(std::move(asked), bounds);
    auto me = caf::actor_cast<caf::actor>(this);
    if (!parsed) {
      caf::anon_send(me, answer_came{index, what, parsed.error()});
      return;
    }
    // The reply keeps this actor alive as long as it needs it.
    gateway_.call(*parsed, std::make_shared<reply>(
                               [this, strong = caf::actor_cast<caf::strong_actor_ptr>(this), me,
                                index, what](api::response r, receipt left) {
                                 r.body = r.whole_body();
                                 r.more.clear();
                                 const bool lost = (what == streamed || what == drained) &&
                                                   random_.unit() < options_.lost_answers;
                                 if (lost) {
                                   r = {};
                                   r.status = 0;
                                 }
                                 caf::anon_send(me, answer_came{index, what, std::move(r)});
                                 settle_receipt(std::move(left), !lost);
                               },
                               client));
  }

  /// The client reads the answer and asks on, maybe on another connection. The receipt comes at
  /// about the same time (a few messages later), or up to a quarter of a second later.
  void settle_receipt(receipt left, bool received) {
    if (!left.wanted()) {
      return;
    }
    receipt_comes m{std::make_shared<receipt>(std::move(left)), received};
    if (random_.unit() < 0.5) {
      m.hops = random_.next() % receipt_hops_max;
      send(this, std::move(m));
    } else {
      delayed_send(this, caf::timespan{some(receipt_late_max)}, std::move(m));
    }
  }

  void receipt_came(const receipt_comes& m) {
    if (m.hops == 0) {
      m.of->say(m.received);
    } else {
      send(this, receipt_comes{m.of, m.received, m.hops - 1});
    }
  }

  void answered(const answer_came& m) {
    auto& job = (*seen_)[m.index];
    if (m.question == strange) {
      if (m.response.status != 404 && m.response.body.find("unavailable") == std::string::npos) {
        job.leaked_answers.push_back(m.response.body);
      }
      return;
    }
    if (m.question == submitted) {
      submit_answered(m, job);
      return;
    }
    judge_held(m, job);
    if (m.response.status == 0) { // it was lost on its way: ask again
      delayed_send(this, caf::timespan{std::chrono::milliseconds{50}}, poll_job{m.index});
      return;
    }
    if (m.question == cancelled && m.response.body.find("storage_full") != std::string::npos) {
      job.cancel_refused = true;
    }
    if (m.response.status == 503) {
      // A part of the pod, or all of it, is restarting or stopping: ask again, but not for ever.
      if (++unavailable_ < (options_.persistent ? 5'000U : 200U)) {
        delayed_send(this, caf::timespan{some(std::chrono::milliseconds{1'000})},
                     poll_job{m.index});
      }
      return;
    }
    if (m.response.status == 404) {
      job.lost = true;
      settle(job);
      return;
    }
    if (m.question == drained) {
      job.chunks.push_back(m.response.body);
      job.drained = m.response.body.find(R"("stream":[])") != std::string::npos;
      job.drained ? settle(job) : drain(m.index);
      return;
    }
    if (m.question == streamed) {
      job.chunks.push_back(m.response.body);
    } else if (m.question == cancelled) {
      job.cancel_acknowledged = member(m.response.body, "status") == "CANCELLED";
    }
    if (m.question != cancelled) { // its poll goes on by itself
      learn(m, job);
    }
  }

  void submit_answered(const answer_came& m, job_history& job) {
    job.accepted_id = m.response.status == 200 ? member(m.response.body, "id") : std::string{};
    if (job.accepted_id.empty() && options_.persistent && m.response.status == 503 &&
        ++again_ < 5'000) {
      delayed_send(this, caf::timespan{some(std::chrono::milliseconds{1'000})},
                   submit_again{m.index});
      return;
    }
    if (job.accepted_id.empty()) {
      job.refused = true;
      settle(job);
      return;
    }
    if (job.kind == "cancelled") {
      delayed_send(this, caf::timespan{some(std::chrono::milliseconds{1'500})},
                   cancel_now{m.index});
    }
    learn(m, job);
  }

  void learn(const answer_came& m, job_history& job) {
    const auto state = member(m.response.body, "status");
    // /run answers with the job's state, not its result, even when it has ended before.
    const bool has_result = m.question == polled || (m.question == submitted && sync_[m.index]);
    if (job.final_state.empty()) {
      if (is_end(state) && has_result) {
        job.final_state = state;
        job.final_body = m.response.body;
      }
      const auto pause = std::chrono::milliseconds{50} + some(std::chrono::milliseconds{700});
      delayed_send(this, caf::timespan{options_.held ? std::chrono::milliseconds{0} : pause},
                   poll_job{m.index});
    } else if (has_result) {
      job.later_bodies.push_back(m.response.body);
      job.kind == "stream" && job.final_state == "COMPLETED" ? drain(m.index) : settle(job);
    } else {
      delayed_send(this, caf::timespan{std::chrono::milliseconds{50}}, poll_job{m.index});
    }
  }

  /// A job is finished; reports when all are.
  void settle(job_history& job) {
    if (!std::exchange(job.settled, true) && ++settled_ == options_.jobs) {
      finished_();
    }
  }

  sim_gateway& gateway_;
  random_source& random_;
  workload_options options_;
  std::shared_ptr<history> seen_;
  std::function<void()> finished_;
  std::map<std::size_t, std::pair<held_question, caf::actor_clock::time_point>> waiting_;
  std::map<std::size_t, caf::actor_clock::time_point> submitted_at_;
  std::uint32_t settled_ = 0;
  std::uint32_t unavailable_ = 0;
  std::uint32_t again_ = 0;
  std::vector<std::string> bodies_; ///< by index, as they were sent
  std::vector<bool> sync_;          ///< likewise: /runsync
};

} // namespace

caf::actor spawn_workload(caf::actor_system& system, sim_gateway& gateway, random_source& random,
                          workload_options options, std::shared_ptr<history> seen,
                          std::function<void()> finished) {
  return system.spawn<workload>(gateway, random, options, std::move(seen), std::move(finished));
}

} // namespace tayfa::sim
