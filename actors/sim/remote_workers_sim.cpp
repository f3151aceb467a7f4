#include "actors/sim/remote_workers_sim.hpp"

#include "actors/sim/remote_workers_turns.hpp"
#include "runtime/engine/scripted.hpp"

#include <boost/json.hpp>
#include <map>
#include <set>

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
namespace json = boost::json;

constexpr milliseconds ping_interval = 10s;
constexpr milliseconds run_loop_pause = 100ms; ///< the SDK's, between looks at its own queue
constexpr unsigned tries_max = 3;              ///< of a post that is answered 5xx, as the SDK's

class remote_worker : public caf::event_based_actor {
 public:
  remote_worker(caf::actor_config& cfg, sim_gateway& gateway, random_source& random,
                const remote_options& options, std::string who,
                std::shared_ptr<remote_faults> faults, std::shared_ptr<std::set<std::string>> begun)
      : caf::event_based_actor(cfg), gateway_(gateway), random_(random), options_(options),
        who_(std::move(who)), faults_(std::move(faults)), begun_(std::move(begun)) {}

  const char* name() const override { return "sim_remote_worker"; }

  caf::behavior make_behavior() override {
    be_born();
    return {[this](const remote_turn& m) { turn(m); },
            [this](const remote_answer& m) { answered(m); }};
  }

 private:
  struct job {
    engine::scripted_plan plan;
    std::size_t next = 0;
    bool posting_end = false;
  };

  bool happens(double share) { return share > 0 && random_.unit() < share; }
  milliseconds some(milliseconds least, milliseconds most) {
    return least + milliseconds{static_cast<std::int64_t>(
                       random_.unit() * static_cast<double>((most - least).count()))};
  }
  void later(milliseconds after, remote_turn::what act, std::string id = {},
             std::uint64_t poll = 0) {
    delayed_send(this, caf::timespan{after}, remote_turn{life_, act, std::move(id), poll});
  }

  // ---- its life --------------------------------------------------------------------------------

  void be_born() {
    ++life_;
    concurrency_ = 1 + static_cast<std::uint32_t>(random_.next() % options_.concurrency_max);
    taking_ = false;
    queued_ = 0;
    later(0ms, remote_turn::what::ping);
    later(some(0ms, 300ms), remote_turn::what::take);
    later(some(0ms, 300ms), remote_turn::what::stops);
  }

  /// SIGKILL: its connections break, which the pod sees, or the machine is gone, and it does not.
  void die() {
    ++life_;
    jobs_.clear();
    frozen_ = false;
    asleep_.clear();
    const bool seen = happens(0.7);
    for (const auto& [poll, client] : std::exchange(polls_, {})) {
      if (seen) {
        client->left();
      }
    }
    later(some(0ms, 20s), remote_turn::what::be_born);
  }

  void turn(const remote_turn& m) {
    if (m.life != life_) {
      return;
    }
    if (m.act == remote_turn::what::thaw) {
      frozen_ = false;
      for (const auto& each : std::exchange(asleep_, {})) {
        each();
      }
      return;
    }
    if (frozen_) {
      asleep_.push_back([this, m] { turn(m); });
      return;
    }
    switch (m.act) {
    case remote_turn::what::be_born: be_born(); break;
    case remote_turn::what::take: take(); break;
    case remote_turn::what::stops: poll("job-stop", remote_answer::about::stops, {}); break;
    case remote_turn::what::ping: ping(); break;
    case remote_turn::what::next_step: step(m.job); break;
    case remote_turn::what::leave_poll:
      if (const auto node = polls_.extract(m.poll)) {
        node.mapped()->left(); // the SDK gives up and asks again
        take_again(50ms);
      }
      break;
    case remote_turn::what::start_queued: queued_ = 0; break;
    case remote_turn::what::post_again:
      if (auto node = posts_waiting_.extract(m.poll)) {
        send_post(std::move(node.mapped()));
      }
      break;
    case remote_turn::what::thaw: break;
    }
  }

  // ---- polls -----------------------------------------------------------------------------------

  void take_again(milliseconds pause) {
    taking_ = false;
    later(pause, remote_turn::what::take);
  }

  /// The SDK counts a job twice until its run loop has taken it up: as queued and as in progress.
  /// So one that was answered with half of what it asked for does not ask for the rest at once.
  void take() {
    const auto held = static_cast<std::uint32_t>(jobs_.size()) + queued_;
    if (taking_) {
      return;
    }
    if (held >= concurrency_) {
      later(1s, remote_turn::what::take);
      return;
    }
    taking_ = true;
    const auto wanted = concurrency_ - held;
    std::string more = wanted > 1 ? "&batch_size=" + std::to_string(wanted) : "";
    more += held > 0 ? "&job_in_progress=1" : "&job_in_progress=0";
    poll(wanted > 1 ? "job-take-batch" : "job-take", remote_answer::about::take, more);
    if (happens(options_.left_polls)) {
      later(some(10ms, 4s), remote_turn::what::leave_poll, {}, polls_made_);
    }
  }

  void poll(const char* route, remote_answer::about what, const std::string& more) {
    const auto number = ++polls_made_;
    auto client = std::make_shared<presence>();
    polls_[number] = client;
    remote_answer answer{life_, what, number};
    ask(
        "GET", std::string{"/v2/tayfa/"} + route + "/" + who_ + "?gpu=sim" + more, {},
        [this, answer](api::response r, receipt left) {
          auto delivered = answer;
          const bool unsent = happens(options_.unsent);
          const bool lost = !unsent && happens(options_.lost);
          delivered.response = std::move(r);
          if (unsent || lost) {
            delivered.response = {};
            delivered.response.status = 0;
          }
          caf::anon_send(caf::actor_cast<caf::actor>(this), std::move(delivered));
          left.say(!unsent);
        },
        client);
  }

  void ask(std::string method, std::string target, std::string body, reply::responder responder,
           std::shared_ptr<presence> client) {
    auto parsed = api::parse(
        api::request{std::move(method), std::move(target), "application/json", std::move(body)},
        api::limits{});
    if (!parsed) {
      responder(parsed.error(), receipt{});
      return;
    }
    // The reply keeps this actor alive as long as it needs it.
    auto me = caf::actor_cast<caf::strong_actor_ptr>(this);
    gateway_.call(std::move(*parsed),
                  std::make_shared<reply>(
                      [me, responder = std::move(responder)](api::response r, receipt left) {
                        responder(std::move(r), std::move(left));
                      },
                      std::move(client)));
  }

  void answered(const remote_answer& m) {
    if (m.life != life_) {
      return;
    }
    if (frozen_) {
      asleep_.push_back([this, m] { answered(m); });
      return;
    }
    switch (m.what) {
    case remote_answer::about::take: taken(m); break;
    case remote_answer::about::stops: stops_arrived(m); break;
    case remote_answer::about::post: posted(m); break;
    case remote_answer::about::other: break;
    }
  }

  void fault(const std::string& words) { faults_->push_back(who_ + ": " + words); }

  void taken(const remote_answer& m) {
    if (polls_.erase(m.poll) == 0) {
      return; // it did not wait for this one
    }
    if (m.response.status == 429) {
      take_again(5s);
      return;
    }
    if (m.response.status != 200) {
      take_again(m.response.status == 204 ? 1ms : some(100ms, 1s));
      return;
    }
    const auto value = json::parse(m.response.body);
    const auto begin = [this](const json::value& one) {
      const auto& o = one.as_object();
      const std::string id{o.at("id").as_string()};
      if (!given_.insert(id).second) {
        fault("it is given " + id + " twice");
        return;
      }
      auto plan = engine::plan_script(json::serialize(o.at("input")));
      if (!plan) {
        plan = engine::scripted_plan{};
        engine::scripted_step broken;
        broken.what = engine::scripted_step::action::fail;
        broken.text = "a faulty script";
        plan->steps.push_back(std::move(broken));
      }
      if (options_.calm && id.find("-r") != std::string::npos) {
        fault("an attempt before " + id + " was given out in vain");
      }
      const auto name = id.substr(0, id.find("-r"));
      if (options_.once && !begun_->insert(name).second) {
        fault(name + " is begun once more, as " + id);
      }
      jobs_[id].plan = std::move(*plan);
      schedule(id);
      if (queued_++ == 0) {
        later(run_loop_pause, remote_turn::what::start_queued);
      }
    };
    if (value.is_array()) {
      for (const auto& one : value.as_array()) {
        begin(one);
      }
    } else {
      begin(value);
    }
    if (jobs_.size() > concurrency_) {
      fault("it is given more than it asked for");
    }
    take_again(1ms);
  }

  void stops_arrived(const remote_answer& m) {
    polls_.erase(m.poll);
    if (m.response.status == 200) {
      const auto stops = json::parse(m.response.body);
      for (const auto& id : stops.at("jobsToStop").as_array()) {
        const auto entry = jobs_.find(std::string{id.as_string()});
        const bool obeys = entry != jobs_.end() && !entry->second.posting_end &&
                           entry->second.plan.obeys_cancel && !happens(options_.missed_stops);
        if (obeys) {
          jobs_.erase(entry);
        }
      }
    }
    later(m.response.status == 200 ? 1ms : 1s, remote_turn::what::stops);
  }

  // ---- pings -----------------------------------------------------------------------------------

  void ping() {
    if (happens(options_.dies)) {
      die();
      return;
    }
    std::string more = "&runpod_version=1.12.0";
    const bool unfit = happens(options_.unfit);
    if (unfit) {
      more += "&status=unhealthy&check=_gpu&reason=dead";
    } else if (!jobs_.empty()) {
      more += "&job_id=";
      for (const auto& [id, j] : jobs_) {
        more += (more.back() == '=' ? "" : ",") + id;
      }
    }
    if (unfit || !happens(options_.lost_pings)) {
      ask(
          "GET", "/v2/tayfa/ping/" + who_ + "?gpu=sim" + more, {}, [](api::response, receipt) {},
          nullptr);
    }
    if (unfit) {
      die();
      return;
    }
    later(ping_interval, remote_turn::what::ping);
    if (happens(options_.freezes)) {
      frozen_ = true;
      later(some(1s, 60s), remote_turn::what::thaw);
    }
  }

  // ---- jobs ------------------------------------------------------------------------------------

  void schedule(const std::string& id) {
    const auto& j = jobs_.at(id);
    if (j.next < j.plan.steps.size()) {
      later(std::chrono::ceil<milliseconds>(j.plan.steps[j.next].after),
            remote_turn::what::next_step, id);
    }
  }

  void step(const std::string& id) {
    using action = engine::scripted_step::action;
    const auto entry = jobs_.find(id);
    if (entry == jobs_.end()) {
      return; // it was stopped
    }
    job& j = entry->second;
    const auto now = j.plan.steps[j.next++];
    switch (now.what) {
    case action::log: break;
    case action::progress:
      post(id, "job-done", "false", R"({"status": "IN_PROGRESS", "output": )" + now.text + "}",
           false);
      break;
    case action::partial:
      post(id, "job-stream", "false", R"({"output": )" + now.text + "}", false);
      break;
    case action::complete: end(id, R"({"output": )" + now.text + "}"); return;
    case action::fail: end(id, json::serialize(json::object{{"error", now.text}})); return;
    case action::garbage: end(id, R"({"output": NaN})"); return;
    case action::crash: die(); return;
    case action::hang: return;
    }
    schedule(id);
  }

  void end(const std::string& id, const std::string& body) {
    jobs_.at(id).posting_end = true;
    if (happens(options_.twice)) {
      post(id, "job-done", "false", body, false);
    }
    post(id, "job-done", "false", body, true);
  }

  void post(const std::string& id, const char* route, const char* is_stream, std::string body,
            bool last) {
    remote_answer p{life_, remote_answer::about::post, 0, id, last};
    p.body = std::move(body);
    p.target = std::string{"/v2/tayfa/"} + route + "/" + who_ + "/" + id +
               "?gpu=sim&isStream=" + is_stream;
    send_post(std::move(p));
  }

  void send_post(remote_answer p) {
    ++p.tries;
    auto me = caf::actor_cast<caf::actor>(this);
    if (happens(options_.lost_posts)) {
      p.response.status = 0;
      caf::anon_send(me, std::move(p));
      return;
    }
    auto target = p.target;
    auto body = p.body;
    ask(
        "POST", std::move(target), std::move(body),
        [me, p = std::move(p)](api::response r, receipt) {
          auto delivered = p;
          delivered.response = std::move(r);
          caf::anon_send(me, std::move(delivered));
        },
        nullptr);
  }

  /// 5xx is tried again, everything else is the end of it: a broken connection drops the result.
  void posted(const remote_answer& m) {
    const bool unanswered = m.response.status == 0 || m.response.status >= 500;
    if (options_.once && unanswered) {
      ++posts_again_;
      posts_waiting_[posts_again_] = m;
      later(500ms, remote_turn::what::post_again, {}, posts_again_);
      return;
    }
    if (m.response.status >= 500 && m.tries < tries_max) {
      send_post(m);
      return;
    }
    if (m.last) {
      jobs_.erase(m.job);
    }
  }

  sim_gateway& gateway_;
  random_source& random_;
  remote_options options_;
  std::string who_;
  std::shared_ptr<remote_faults> faults_;
  std::uint32_t life_ = 0;
  std::uint32_t concurrency_ = 1;
  bool taking_ = false;
  std::uint32_t queued_ = 0; ///< not taken up by its run loop yet
  bool frozen_ = false;
  std::vector<std::function<void()>> asleep_; ///< what comes while it is frozen
  std::map<std::string, job> jobs_;
  std::set<std::string> given_; ///< ids, ever
  std::uint64_t polls_made_ = 0;
  std::uint64_t posts_again_ = 0;
  std::map<std::uint64_t, remote_answer> posts_waiting_; ///< to be sent again
  std::shared_ptr<std::set<std::string>> begun_;         ///< jobs, by all workers
  std::map<std::uint64_t, std::shared_ptr<presence>> polls_;
};

} // namespace

std::vector<caf::actor> spawn_remote_workers(caf::actor_system& system, sim_gateway& gateway,
                                             random_source& random, const remote_options& options,
                                             std::shared_ptr<remote_faults> faults) {
  std::vector<caf::actor> all;
  auto begun = std::make_shared<std::set<std::string>>();
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    all.push_back(system.spawn<remote_worker>(gateway, random, options,
                                              "remote-" + std::to_string(i), faults, begun));
  }
  return all;
}

} // namespace tayfa::sim
