#include "actors/sim/sim_platform.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

namespace tayfa::sim {

namespace json = boost::json;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

/// From the platform's writing an answer to its being read.
constexpr milliseconds wire_max{20};

constexpr std::string_view base = "http://platform.sim/v2/ep/";

/// A call has reached the platform.
struct call_came {
  call_ticket ticket = 0;
  outgoing_call call;
};
/// Its caller has gone; what has not been answered will not be.
struct caller_left {
  call_ticket ticket = 0;
};
/// A long poll was held long enough.
struct hold_over {
  call_ticket ticket = 0;
};
/// An answer has come through the wire.
struct answer_there {
  call_ticket ticket = 0;
  result<outgoing_answer> answer;
};
struct next_job {};
struct look_for_lost {};
struct stop_one {
  std::size_t index = 0;
};

} // namespace

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::call_came)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::caller_left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::hold_over)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::answer_there)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::next_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::look_for_lost)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::stop_one)

namespace tayfa::sim {

struct sim_platform::ledger {
  std::vector<platform_job> jobs;
  std::vector<std::string> faults;
};

/// The platform itself.
class platform_actor final : public caf::event_based_actor {
 public:
  platform_actor(caf::actor_config& cfg, sim_platform& around, time_source& time,
                 random_source& random, std::function<void()> finished)
      : caf::event_based_actor(cfg), around_(around), time_(time), random_(random),
        finished_(std::move(finished)), ledger_(*around.ledger_) {}

  caf::behavior make_behavior() override {
    delayed_send(this, caf::timespan{1ms}, next_job{});
    delayed_send(this, caf::timespan{1s}, look_for_lost{});
    return {[this](const call_came& m) { came(m); },
            [this](const caller_left& m) {
              std::erase_if(takes_, [&m](const poll& p) { return p.ticket == m.ticket; });
              std::erase_if(stop_polls_, [&m](const poll& p) { return p.ticket == m.ticket; });
            },
            [this](const hold_over& m) { held(m.ticket); },
            [this](const answer_there& m) {
              const auto waits = around_.unread_until_ - time_.now();
              waits.count() > 0 ? delayed_send(this, caf::timespan{waits}, m)
                                : around_.arrive(m.ticket, m.answer);
            },
            [this](const next_job&) { make_job(); },
            [this](const look_for_lost&) { give_lost_again(); },
            [this](const stop_one& m) {
              if (!ledger_.jobs[m.index].over() && ledger_.jobs[m.index].arrived > 0) {
                to_stop_.insert(m.index);
                answer_stops();
              }
            }};
  }

 private:
  struct poll {
    call_ticket ticket = 0;
    std::size_t wanted = 1;
    bool batch = false;
  };

  double draw() { return random_.unit(); }
  milliseconds some(milliseconds most) {
    return milliseconds{static_cast<std::int64_t>(draw() * static_cast<double>(most.count()))};
  }
  const platform_options& options() const { return around_.options_; }

  // ---- its clients -----------------------------------------------------------------------------

  void make_job() {
    const auto number = ledger_.jobs.size();
    if (number == options().jobs) {
      return;
    }
    platform_job job;
    job.id = "job-" + std::to_string(number) + "-u1";
    if (draw() < options().odd_ids) {
      job.id += " /\xc3\xa9?&%";
    }
    fill(job, number);
    ledger_.jobs.push_back(std::move(job));
    waiting_.push_back(number);
    if (draw() < options().stops) {
      delayed_send(this, caf::timespan{some(3s)}, stop_one{number});
    }
    delayed_send(this, caf::timespan{some(options().gap_max)}, next_job{});
    answer_takes();
  }

  void fill(platform_job& job, std::size_t number) {
    const auto mark = std::to_string(number);
    switch (random_.next() % 6) {
    case 0:
      job.input =
          R"({"mock_return":"r)" + mark + R"(","mock_delay":)" + std::to_string(draw() * 2) + "}";
      job.expected = R"({"output":"r)" + mark + R"("})";
      return;
    case 1:
      job.input = R"({"mock_error":"wrong )" + mark + R"("})";
      job.expected = "wrong " + mark;
      job.may_fail = true;
      return;
    case 2:
      job.input = R"({"mock_progress":{"updates":3,"wait_time":0.2},"mock_return":)" + mark + "}";
      job.expected = R"({"output":)" + mark + "}";
      return;
    case 3:
      job.input = R"({"mock_stream":["a","b","c)" + mark + R"("],"mock_delay":0.1})";
      job.expected = R"({"output":[]})";
      return;
    default:
      job.input = R"({"mark":)" + mark + "}";
      job.expected = R"({"output":{"mark":)" + mark + "}}";
      return;
    }
  }

  // ---- calls -----------------------------------------------------------------------------------

  void came(const call_came& m) {
    const auto& url = m.call.url;
    const bool is_ping = url.find("/ping/") != std::string::npos;
    if (draw() < options().lost_requests && !is_ping) {
      around_.answer(m.ticket, fail(errc::io_error, "reset"));
      return;
    }
    if (draw() < options().malformed && !is_ping) {
      answer_malformed(m);
      return;
    }
    if (url.find("/job-take") != std::string::npos) {
      if (around_.stopping_since_ && *around_.stopping_since_ < time_.now()) {
        ledger_.faults.push_back("a take after SIGTERM: " + url);
      }
      const auto count = url.find("batch_size=");
      poll p{m.ticket, 1, count != std::string::npos};
      if (p.batch) {
        p.wanted = static_cast<std::size_t>(std::stoul(url.substr(count + 11)));
      }
      takes_.push_back(p);
      delayed_send(this, caf::timespan{options().hold}, hold_over{m.ticket});
      answer_takes();
    } else if (url.find("/job-stop/") != std::string::npos) {
      stop_polls_.push_back({m.ticket, 0, false});
      delayed_send(this, caf::timespan{options().hold}, hold_over{m.ticket});
      answer_stops();
    } else if (is_ping) {
      pinged(url);
      reply(m.ticket, 200, "{}");
    } else {
      posted(m);
    }
  }

  /// A post that is answered 200 was accepted, whatever the body says.
  void answer_malformed(const call_came& m) {
    switch (random_.next() % (m.call.method == "POST" ? 3 : 6)) {
    case 0: reply(m.ticket, 500, "{}"); return;
    case 1: reply(m.ticket, 429, "{}"); return;
    case 2: reply(m.ticket, 503, "oops"); return;
    case 3: reply(m.ticket, 200, "<html>"); return;
    case 4: reply(m.ticket, 200, ""); return;
    default: reply(m.ticket, 200, "[{\"id\":3},7,null]"); return;
    }
  }

  /// When the answer is lost, the platform still counts the call as received.
  void reply(call_ticket ticket, unsigned status, std::string body) {
    outgoing_answer a{status, std::move(body), {{"content-type", "application/json"}}};
    if (draw() < options().lost_answers) {
      around_.answer(ticket, fail(errc::io_error, "reset"));
    } else {
      around_.answer(ticket, std::move(a));
    }
  }

  void held(call_ticket ticket) {
    for (auto* polls : {&takes_, &stop_polls_}) {
      const auto it = std::find_if(polls->begin(), polls->end(),
                                   [ticket](const poll& p) { return p.ticket == ticket; });
      if (it != polls->end()) {
        polls->erase(it);
        reply(ticket, 204, "");
      }
    }
  }

  void answer_takes() {
    while (!takes_.empty() && !waiting_.empty()) {
      const auto p = takes_.front();
      takes_.erase(takes_.begin());
      if (!around_.open_.contains(p.ticket)) {
        continue; // its caller has gone
      }
      json::array given;
      std::vector<std::size_t> which;
      while (which.size() < p.wanted && !waiting_.empty()) {
        const auto index = waiting_.front();
        waiting_.erase(waiting_.begin());
        auto& job = ledger_.jobs[index];
        ++job.given;
        named_at_[index] = time_.now();
        which.push_back(index);
        given.push_back(json::object{{"id", job.id}, {"input", json::parse(job.input)}});
        if (job.given == 1 && draw() < options().twice) {
          waiting_.push_back(index);
        }
      }
      const bool lost = draw() < options().lost_answers;
      outgoing_answer a{200,
                        json::serialize(p.batch ? json::value(given) : given.at(0)),
                        {{"content-type", "application/json"}}};
      for (const auto index : which) {
        ledger_.jobs[index].arrived += lost ? 0 : 1;
      }
      around_.answer(p.ticket, lost ? result<outgoing_answer>{fail(errc::io_error, "reset")}
                                    : result<outgoing_answer>{std::move(a)});
    }
  }

  void answer_stops() {
    if (stop_polls_.empty() || to_stop_.empty()) {
      return;
    }
    const auto p = stop_polls_.front();
    stop_polls_.erase(stop_polls_.begin());
    if (!around_.open_.contains(p.ticket)) {
      return;
    }
    json::array ids;
    for (const auto index : std::exchange(to_stop_, {})) {
      auto& job = ledger_.jobs[index];
      if (!job.over()) {
        job.stop_sent = true;
        job.stop_at = time_.now();
        ids.emplace_back(job.id);
      }
    }
    around_.answer(p.ticket, outgoing_answer{200,
                                             json::serialize(json::object{{"jobsToStop", ids}}),
                                             {{"content-type", "application/json"}}});
    settle();
  }

  void pinged(const std::string& url) {
    for (std::size_t i = 0; i < ledger_.jobs.size(); ++i) {
      if (url.find(ledger_.jobs[i].id.substr(0, ledger_.jobs[i].id.find(' '))) !=
          std::string::npos) {
        named_at_[i] = time_.now();
      }
    }
  }

  std::optional<std::size_t> index_in(const std::string& url) const {
    const auto at = url.find("/job-", url.find("/v2/ep/") + 6) == std::string::npos
                        ? std::string::npos
                        : url.rfind("/job-");
    if (at == std::string::npos) {
      return std::nullopt;
    }
    const auto number = static_cast<std::size_t>(std::atoi(url.c_str() + at + 5));
    return number < ledger_.jobs.size() ? std::optional{number} : std::nullopt;
  }

  void posted(const call_came& m) {
    const auto index = index_in(m.call.url);
    if (!index) {
      ledger_.faults.push_back("a post for a job that was never given: " + m.call.url);
      reply(m.ticket, 404, "{}");
      return;
    }
    auto& job = ledger_.jobs[*index];
    job.posted_after_stop =
        job.posted_after_stop || (job.stop_sent && time_.now() > job.stop_at + wire_max);
    const bool side = m.call.url.find("/job-stream/") != std::string::npos ||
                      m.call.body.starts_with(R"({"status": "IN_PROGRESS")") ||
                      m.call.body.starts_with(R"({"status":"IN_PROGRESS")");
    if (side && job.results.empty()) {
      ++(m.call.url.find("/job-stream/") != std::string::npos ? job.chunks : job.progress);
    } else if (side) {
      job.posts_after_end.push_back(m.call.body);
    } else if (job.results.empty()) {
      job.results.push_back(m.call.body);
    } else {
      job.posts_after_end.push_back(m.call.body);
    }
    reply(m.ticket, 200, "{}");
    settle();
  }

  /// A job that no ping names was lost in flight, or with its worker.
  void give_lost_again() {
    for (std::size_t i = 0; i < ledger_.jobs.size(); ++i) {
      auto& job = ledger_.jobs[i];
      const bool waits = std::find(waiting_.begin(), waiting_.end(), i) != waiting_.end();
      if (job.given > 0 && !job.over() && !waits &&
          time_.now() - named_at_[i] > options().lost_after) {
        waiting_.push_back(i);
        job.forgotten = job.forgotten || job.arrived > 0;
      }
    }
    answer_takes();
    delayed_send(this, caf::timespan{1s}, look_for_lost{});
  }

  void settle() {
    const auto& jobs = ledger_.jobs;
    if (jobs.size() == options().jobs && !settled_ &&
        std::all_of(jobs.begin(), jobs.end(), [](const auto& j) { return j.over(); })) {
      settled_ = true;
      finished_();
    }
  }

  sim_platform& around_;
  time_source& time_;
  random_source& random_;
  std::function<void()> finished_;
  sim_platform::ledger& ledger_;
  std::vector<std::size_t> waiting_;
  std::map<std::size_t, moment> named_at_;
  std::vector<poll> takes_, stop_polls_;
  std::set<std::size_t> to_stop_;
  bool settled_ = false;
};

// ---- its wires ----------------------------------------------------------------------------------

sim_platform::sim_platform(caf::actor_system& system, time_source& time, random_source& random,
                           platform_options options, std::function<void()> done)
    : options_(options), random_(random), ledger_(std::make_shared<ledger>()),
      platform_actor_(system.spawn<platform_actor>(*this, time, random, std::move(done))) {}

sim_platform::~sim_platform() = default;

runpod::settings sim_platform::settings() {
  runpod::settings s;
  const std::string at{base};
  s.get_job = at + "job-take/$ID?gpu=sim";
  s.post_output = at + "job-done/$RUNPOD_POD_ID/$ID?gpu=sim";
  s.post_stream = at + "job-stream/$RUNPOD_POD_ID/$ID?gpu=sim";
  s.ping = at + "ping/$RUNPOD_POD_ID?gpu=sim";
  s.worker_id = "w1";
  s.pings = true;
  s.api_key = secret_text{"key"};
  s.endpoint_id = "ep";
  s.hostname = "host";
  return s;
}

/// Requests and answers keep no order, as over many connections.
call_ticket sim_platform::send(outgoing_call call,
                               std::function<void(result<outgoing_answer>)> done) {
  const auto ticket = ++tickets_;
  open_.emplace(ticket, open_call{std::move(done)});
  caf::anon_send(platform_actor_, call_came{ticket, std::move(call)});
  return ticket;
}

void sim_platform::drop(call_ticket ticket, std::chrono::milliseconds) {
  const auto it = open_.find(ticket);
  if (it == open_.end() || it->second.answered) {
    return; // what is on the wire is still read
  }
  const auto done = std::move(it->second.done);
  open_.erase(it);
  caf::anon_send(platform_actor_, caller_left{ticket});
  done(fail(errc::cancelled));
}

void sim_platform::answer(call_ticket ticket, result<outgoing_answer> a) {
  const auto it = open_.find(ticket);
  if (it == open_.end()) {
    return;
  }
  it->second.answered = true;
  const auto wire = milliseconds{
      static_cast<std::int64_t>(random_.unit() * static_cast<double>(wire_max.count()))};
  caf::delayed_anon_send(platform_actor_, wire, answer_there{ticket, std::move(a)});
}

void sim_platform::arrive(call_ticket ticket, result<outgoing_answer> a) {
  const auto node = open_.extract(ticket);
  if (!node.empty()) {
    node.mapped().done(std::move(a));
  }
}

void sim_platform::callers_died() {
  for (const auto& [ticket, call] : open_) {
    caf::anon_send(platform_actor_, caller_left{ticket});
  }
  open_.clear();
}

void sim_platform::forget() {
  open_.clear();
  caf::anon_send_exit(platform_actor_, caf::exit_reason::kill);
  platform_actor_ = nullptr;
}

const std::vector<platform_job>& sim_platform::jobs() const {
  return ledger_->jobs;
}

const std::vector<std::string>& sim_platform::faults() const {
  return ledger_->faults;
}

} // namespace tayfa::sim
