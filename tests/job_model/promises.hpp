// The promises of the queue, as its clients and workers see them; nothing of its rules. They are
// checked on every view and every attempt, beside the comparison with the model (job_world), over
// crashes of the process.
//
//   I2  an ended job's state, output and failure do not change, until a client's retry or its
//       platform begins a new life;
//   I3  only accepted jobs are assigned;
//   I4  no attempt of a job is assigned after its cancel;
//   I5  attempt numbers grow, over all lives of a job and over restarts;
//   I7  attempts of a life that count are bounded.
//
// An instance is a value: a copy is what was promised when a batch was taken. What was promised
// later was not sent, since answers leave after the commit that holds them.
#pragma once

#include "runtime/core/job_table.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tayfa::testing {

class promises {
 public:
  explicit promises(std::uint32_t max_attempts) : max_attempts_(max_attempts) {}

  /// A new job, though its id may have been used by one that was forgotten.
  void accepted(const std::string& id) { jobs_[id] = {}; }
  /// By a client's retry, or its platform.
  void lives_again(const std::string& id) { ++jobs_[id].lives, jobs_[id].ended.clear(); }
  /// Only these jobs are here; the others are forgotten, or were never accepted after all.
  void forget_others(const std::set<std::string>& here) {
    std::erase_if(jobs_, [&](const auto& each) { return !here.contains(each.first); });
  }
  void ordered(const effects& done) {
    for (const auto& e : done) {
      if (const auto* g = std::get_if<assign_attempt>(&e)) {
        assigned(g->message.attempt);
      }
    }
  }
  /// The job as every client can read it.
  void seen(const job_detail& d, std::uint32_t uncharged_attempts, const std::string& output) {
    const auto known = jobs_.find(d.view.id.str());
    if (known == jobs_.end()) {
      broken_.push_back(d.view.id.str() + " was never accepted (I3)");
      return;
    }
    record& r = known->second;
    if (d.view.attempts - uncharged_attempts > max_attempts_) {
      broken_.push_back(known->first + " has had too many attempts (I7)");
    }
    const auto text = !is_final(d.view.state)
                          ? std::string{}
                          : std::string{to_string(d.view.state)} + " " + output + " " +
                                (d.view.failure ? d.view.failure->str() : "");
    if (d.lives != r.lives || (!r.ended.empty() && text != r.ended)) {
      broken_.push_back(known->first + " ended as " + r.ended + " and is now " + text + " (I2)");
    }
    r.ended = text;
  }
  std::vector<std::string> broken() { return std::exchange(broken_, {}); }

 private:
  struct record {
    std::uint32_t lives = 1;
    std::uint32_t last_number = 0;
    std::string ended; ///< how; empty = it has not
  };
  void assigned(const attempt_ref& a) {
    const auto known = jobs_.find(a.job.str());
    if (known == jobs_.end()) {
      broken_.push_back(to_string(a) + " is of no accepted job (I3)");
    } else if (!known->second.ended.empty()) {
      broken_.push_back(to_string(a) + " is assigned after the job's end (I2, I4)");
    } else if (a.number <= known->second.last_number) {
      broken_.push_back(to_string(a) + " has an old number (I5)");
    } else {
      known->second.last_number = a.number;
    }
  }

  std::uint32_t max_attempts_;
  std::map<std::string, record> jobs_;
  std::vector<std::string> broken_;
};

} // namespace tayfa::testing
