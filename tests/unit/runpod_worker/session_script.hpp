// A session and its effects as text: each step is an event, and says what the session requests.
//
//   EXPECT_EQ(s.start(2), "poll stops; take 2");
//   EXPECT_EQ(s.brings({"a"}), "submit a; take 1 busy");
#pragma once

#include "runtime/runpod_worker/session.hpp"
#include "tests/unit/runpod_worker/samples.hpp"

#include <map>

namespace tayfa::runpod::testing {

struct session_script {
  explicit session_script(session_options o = {},
                          const std::vector<std::string>& environment = samples::environment())
      : tested(samples::settings_of(environment), with_endpoint(std::move(o))) {}

  // ---- the pod ---------------------------------------------------------------------------------
  /// A pod that serves and has a queue without jobs. The first ping is left out.
  std::string start(std::uint32_t capacity) {
    std::string text = slots(capacity);
    text += joined(text, queue());
    text += joined(text, knows({}));
    text += joined(text, serve());
    const auto first = text.find("ping; ");
    return first == std::string::npos ? text : text.erase(first, 6);
  }
  std::string serve(bool on = true) { return did(tested.pod_moved(now, on)); }
  std::string slots(std::uint32_t capacity) { return did(tested.slots_ready(now, capacity)); }
  std::string drain() { return did(tested.drain()); }
  std::string ping() { return did(tested.ping_due()); }
  /// Everything that becomes due within this time.
  std::string pass(milliseconds span) {
    std::string text;
    const auto until = now + span;
    for (auto next = tested.next_deadline(); next && *next <= until;
         next = tested.next_deadline()) {
      now = std::max(now, *next);
      text += joined(text, did(tested.expire(now)));
    }
    now = until;
    return text;
  }

  // ---- the queue -------------------------------------------------------------------------------
  /// A queue is there; it is asked, and has not answered.
  std::string queue() {
    const auto text = did(tested.queue_started());
    return text == "ask for jobs" ? "" : text;
  }
  std::string knows(const std::vector<std::string>& jobs) {
    origin_jobs all;
    for (const auto& each : jobs) {
      all.live.emplace_back(local_id(each), each);
    }
    const auto text = did(tested.queue_answered(now, all));
    return text + joined(text, did(tested.took(now, {})));
  }
  std::string accepts(const std::string& job, job_state as = job_state::IN_QUEUE) {
    return answers(job, view(job, as));
  }
  std::string refuses(const std::string& job, errc why = errc::queue_full) {
    return answers(job, fail(why, "no room"));
  }
  std::string answers(const std::string& job, result<job_view> how) {
    return did(tested.submitted(now, local_id(job), job, job_answer{std::move(how)}));
  }
  std::string loses(const std::string& job) { return did(tested.submit_lost(local_id(job))); }
  std::string progress(const std::string& job, const std::string& payload) {
    return did(tested.progress({local_id(job), job, false, shared_text{payload}}));
  }
  std::string chunk(const std::string& job, const std::string& payload) {
    return did(tested.progress({local_id(job), job, true, shared_text{payload}}));
  }
  std::string ends(const std::string& job, const std::string& output) {
    auto v = view(job, job_state::COMPLETED);
    v.output = shared_text{output};
    return delivers({v, job});
  }
  std::string fails(const std::string& job, errc why) {
    auto v = view(job, job_state::FAILED);
    v.failure = error{why, "broken"};
    return delivers({v, job});
  }
  std::string delivers(const deliver_result& m) { return did(tested.deliver(now, m)); }
  std::string cancelled(const std::string& job, job_state as = job_state::CANCELLED) {
    return did(tested.cancelled(now, local_id(job), job_answer{view(job, as)}));
  }

  // ---- the platform ----------------------------------------------------------------------------
  std::string brings(const std::vector<std::string>& jobs) {
    std::string body = "[";
    for (const auto& each : jobs) {
      body += std::string(body.size() > 1 ? "," : "") + R"({"id":")" + each + R"(","input":1})";
    }
    return takes(samples::answer(200, body + "]"));
  }
  /// The answer to the latest take, or to the one with this number.
  std::string takes(result<outgoing_answer> answer, std::uint64_t number = 0) {
    std::deque<take_answer> all;
    all.push_back({number > 0 ? number : take, std::move(answer)});
    return did(tested.took(now, std::move(all)));
  }
  std::string stops(const std::vector<std::string>& jobs) {
    std::string body;
    for (const auto& each : jobs) {
      body += std::string(body.empty() ? "" : ",") + '"' + each + '"';
    }
    return stops_answered(samples::answer(200, R"({"jobsToStop":[)" + body + "]}"));
  }
  std::string stops_answered(const result<outgoing_answer>& answer) {
    return did(tested.stops_answered(now, stop_poll, answer));
  }
  /// The answer to the latest post of the job.
  std::string posted(const std::string& job, const result<outgoing_answer>& answer) {
    return did(tested.posted(now, posts.at(job), answer));
  }
  std::string posted(const std::string& job, unsigned status = 200) {
    return posted(job, samples::answer(status, ""));
  }

  static std::string joined(const std::string& before, const std::string& text) {
    return before.empty() || text.empty() ? text : "; " + text;
  }
  static job_view view(const std::string& job, job_state state) {
    job_view v;
    v.id = local_id(job);
    v.state = state;
    return v;
  }
  static result<outgoing_answer> dropped() { return fail(errc::cancelled, "dropped"); }
  static result<outgoing_answer> unreachable() { return fail(errc::unavailable, "refused"); }

  std::string did(const effects& all) {
    std::string text;
    for (const auto& each : all) {
      text += joined(text, std::visit([this](const auto& one) { return said(one); }, each));
    }
    return text;
  }

  moment now{std::chrono::hours{1}};
  std::uint64_t take = 0;      ///< number of the latest
  std::uint64_t stop_poll = 0; ///< likewise
  std::map<std::string, std::uint64_t> posts;
  std::vector<std::string> log; ///< "job_taken a", counts and lines, since the script began
  outgoing_call last_call;
  submit_job last_submit;
  result_posted last_posted;
  session tested;

 private:
  static session_options with_endpoint(session_options o) {
    o.endpoint = "ep1";
    return o;
  }
  static std::string between(const std::string& text, const std::string& from,
                             const std::string& to) {
    const auto at = text.find(from);
    if (at == std::string::npos) {
      return {};
    }
    const auto begin = at + from.size();
    return text.substr(begin, text.find(to, begin) - begin);
  }

  std::string said(const open_take& m) {
    take = m.number;
    last_call = m.call;
    const auto batch = between(m.call.url, "batch_size=", "&");
    const bool busy = m.call.url.find("job_in_progress=1") != std::string::npos;
    return "take " + (batch.empty() ? "1" : batch) + (busy ? " busy" : "");
  }
  std::string said(const drop_take& m) {
    return "drop take within " + std::to_string(m.linger.count());
  }
  std::string said(const open_stop_poll& m) {
    stop_poll = m.number;
    return "poll stops";
  }
  std::string said(const send_post& m) {
    last_call = m.call;
    const auto done = between(m.call.url, "/job-done/w1/", "?");
    const auto job = done.empty() ? between(m.call.url, "/job-stream/w1/", "?") : done;
    posts[job] = m.number;
    return (done.empty() ? "stream " : "post ") + job + " " + m.call.body;
  }
  std::string said(const send_ping& m) {
    last_call = m.call;
    const auto jobs = between(m.call.url, "job_id=", "&");
    return "ping" + (jobs.empty() ? "" : " " + jobs);
  }
  std::string said(const submit_job& m) {
    last_submit = m;
    return "submit " + m.request.origin;
  }
  static std::string said(const cancel_job& m) {
    return "cancel " + m.id.str() + (m.by_origin ? "" : " for another");
  }
  std::string said(const result_posted& m) {
    last_posted = m;
    const std::string how = m.how == delivery::delivered ? "delivered"
                            : m.how == delivery::again   ? "again"
                                                         : "given up";
    return m.id.str() + " " + how;
  }
  static std::string said(const ask_origin_jobs&) { return "ask for jobs"; }
  static std::string said(const origin_drained&) { return "drained"; }
  static std::string said(const stop_pod& m) { return "stop pod: " + m.reason; }
  std::string said(const log_line& m) {
    log.push_back(m.event + (m.job ? " " + m.job->str() : ""));
    return {};
  }
  std::string said(const count& m) {
    log.emplace_back(m.of == count::what::take ? "take counted" : "trouble counted");
    return {};
  }
};

} // namespace tayfa::runpod::testing
