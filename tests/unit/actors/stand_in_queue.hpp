// Stands for the queue: keeps what it gets, as text, and holds the requests until the script
// answers them, the oldest of each kind first.
#pragma once

#include "messages/interfaces.hpp"

#include <caf/all.hpp>
#include <deque>
#include <string>
#include <tuple>
#include <vector>

namespace tayfa::testing {

class stand_in_queue : public caf::event_based_actor {
 public:
  struct seen {
    std::vector<std::string> messages; ///< "submit", "find a watched", …; since the last look
    job_id submitted;                  ///< the latest
    job_request request;               ///< likewise
    job_access who;                    ///< of the latest request about a job
  };
  stand_in_queue(caf::actor_config& cfg, seen& all) : caf::event_based_actor(cfg), all_(all) {}

  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return caf::message_handler{
        [this](const submit_job& m) {
          all_.submitted = m.id;
          all_.request = m.request;
          return hold<job_answer>("submit" + of(m.request.origin) + watched(m.watch));
        },
        [this](const find_job& m) {
          all_.who = m.who;
          return hold<job_answer>("find" + of(m.id.str()) + watched(m.watch));
        },
        [this](const cancel_job& m) {
          all_.who = m.who;
          return hold<job_answer>("cancel" + of(m.id.str()));
        },
        [this](const retry_job& m) { return hold<job_answer>("retry" + of(m.id.str())); },
        [this](const read_job_stream& m) {
          all_.who = m.who;
          return hold<stream_answer>("read" + of(m.id.str()) + watched(m.watch));
        },
        [this](const count_jobs&) { return hold<counts_answer>("count"); },
        [this](const ask_intake&) { return hold<intake_answer>("intake"); },
        [this](const ask_origin_jobs&) { return hold<origin_jobs>("ask for jobs"); }}
        .or_else(
            [this](const chunks_received& m) {
              say("received" + of(m.id.str()) + " " + std::to_string(m.last));
            },
            [this](const result_posted& m) {
              say("posted" + of(m.id.str()) +
                  (m.how == delivery::delivered ? " delivered"
                   : m.how == delivery::again   ? " again"
                                                : " given up"));
            },
            // From the script: the answer to the oldest request that waits for one.
            [this](const job_answer& a) { answer(a); },
            [this](const stream_answer& a) { answer(a); },
            [this](const counts_answer& a) { answer(a); },
            [this](const intake_answer& a) { answer(a); },
            [this](const origin_jobs& a) { answer(a); });
  }

 private:
  static std::string of(const std::string& what) { return what.empty() ? what : " " + what; }
  static std::string watched(bool on) { return on ? " watched" : ""; }
  void say(std::string text) { all_.messages.push_back(std::move(text)); }

  template <class Answer>
  using promises = std::deque<caf::typed_response_promise<Answer>>;

  template <class Answer>
  caf::result<Answer> hold(std::string text) {
    say(std::move(text));
    auto& waiting = std::get<promises<Answer>>(waiting_);
    waiting.push_back(make_response_promise<Answer>());
    return waiting.back();
  }
  template <class Answer>
  void answer(const Answer& a) {
    auto& waiting = std::get<promises<Answer>>(waiting_);
    if (waiting.empty()) {
      say("an answer that nobody has asked for");
      return;
    }
    waiting.front().deliver(a);
    waiting.pop_front();
  }

  seen& all_;
  std::tuple<promises<job_answer>, promises<stream_answer>, promises<counts_answer>,
             promises<intake_answer>, promises<origin_jobs>>
      waiting_;
};

} // namespace tayfa::testing
