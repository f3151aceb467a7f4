// Any bytes as commands to a job table: its audit must stay clean, what ended must stay as it is,
// and a worker must never be given more than it can hold.
#include "runtime/core/job_table.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <set>

using namespace tayfa;

namespace {

class session {
 public:
  explicit session(fuzz::choices& in) : in_(in), table_(limits(in)) {}

  void step() {
    switch (in_.below(12)) {
    case 0: {
      job_request r;
      r.input = shared_text{"1"};
      r.sync = in_.below(2) == 0;
      r.policy.low_priority = in_.below(3) == 0;
      if (auto done = table_.submit(now_, job_id{"j" + std::to_string(++ids_)}, r, false)) {
        obey(*done);
      }
      break;
    }
    case 1:
      if (auto done = table_.cancel(now_, job())) {
        obey(done->second);
      }
      break;
    case 2: join(); break;
    case 3: {
      const slot_id slot{static_cast<std::uint32_t>(in_.below(3))};
      std::erase_if(given_, [&](const auto& g) { return g.first.slot == slot; });
      obey(table_.worker_lost(now_, slot, error{errc::engine_crash, {}}));
      break;
    }
    case 4: obey(table_.worker_draining(now_, worker())); break;
    case 5: table_.started(now_, worker(), {attempt()}); break;
    case 6:
      table_.progressed(now_, worker(), {attempt(), in_.byte(), shared_text{"2"}});
      table_.streamed(now_, worker(), {attempt(), in_.byte(), shared_text{"3"}});
      break;
    case 7:
    case 8: finish(); break;
    case 9: now_ += milliseconds{in_.byte() * 200}; break;
    case 10: obey(table_.expire(now_)); break;
    case 11:
      if (in_.byte() == 255) {
        obey(table_.hand_back(now_));
      }
      break;
    }
    check();
  }

 private:
  static job_limits limits(fuzz::choices& in) {
    job_limits out;
    out.queue_max = 1 + in.below(8);
    out.max_attempts = static_cast<std::uint32_t>(in.below(4));
    out.execution_timeout = milliseconds{1 + in.byte() * 100};
    out.ttl = milliseconds{1 + in.byte() * 200};
    out.keep_async = milliseconds{in.byte() * 100};
    out.keep_sync = milliseconds{in.byte() * 10};
    out.chunks_max = in.below(4);
    return out;
  }

  job_id job() { return job_id{"j" + std::to_string(ids_ - std::min(ids_, in_.below(6)))}; }
  worker_ref worker() { return {slot_id{static_cast<std::uint32_t>(in_.below(3))}, in_.below(4)}; }
  attempt_ref attempt() { return {job(), static_cast<std::uint32_t>(in_.below(4))}; }

  void join() {
    const auto w = worker();
    const auto capacity = static_cast<std::uint32_t>(in_.below(4));
    auto& latest = latest_[w.slot.value];
    if (w.incarnation > latest.ref.incarnation) {
      std::erase_if(given_, [&](const auto& g) { return g.first.slot == w.slot; });
    }
    obey(table_.worker_joined(now_, w, capacity));
    if (w.incarnation >= latest.ref.incarnation) {
      latest.ref = w;
    }
  }

  void finish() {
    protocol::finished f;
    auto w = worker();
    f.attempt = attempt();
    if (!given_.empty() && in_.below(4) != 0) { // mostly one that is really out there
      auto at = given_.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(in_.below(given_.size())));
      w = at->first;
      f.attempt = at->second;
    }
    f.how = static_cast<protocol::outcome>(in_.below(3));
    f.code = in_.byte();
    f.output = shared_text{"4"};
    given_.erase({w, f.attempt});
    obey(table_.finished(now_, w, f).consequences);
  }

  void obey(const effects& consequences) {
    for (const auto& e : consequences) {
      if (const auto* g = std::get_if<give>(&e)) {
        fuzz::require(given_.insert({g->worker, g->message.attempt}).second,
                      "an attempt is given once");
        fuzz::require(ever_.insert(g->message.attempt).second, "an attempt's number only grows");
        fuzz::require(!ended_.contains(g->message.attempt.job.str()),
                      "no attempt starts after the end");
      } else if (const auto* m = std::get_if<moved>(&e); m != nullptr && is_final(m->view.state)) {
        fuzz::require(ended_.insert({m->view.id.str(), m->view}).second, "a job ends once");
      }
    }
  }

  void check() {
    const auto broken = table_.audit();
    for (const auto& words : broken) {
      std::fprintf(stderr, "%s\n", words.c_str());
    }
    fuzz::require(broken.empty(), "the audit is clean");
    for (const auto& [id, view] : ended_) {
      const auto now = table_.find(now_, job_id{id});
      fuzz::require(!now || (now->state == view.state && now->output == view.output &&
                             now->attempts == view.attempts),
                    "what ended stays as it is");
    }
  }

  struct known {
    worker_ref ref;
  };
  fuzz::choices& in_;
  job_table table_;
  moment now_{std::chrono::hours{1}};
  std::size_t ids_ = 0;
  known latest_[3] = {};
  std::set<std::pair<worker_ref, attempt_ref>> given_;
  std::set<attempt_ref> ever_;
  std::map<std::string, job_view> ended_;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::choices in{bytes, std::min<std::size_t>(size, 2048)};
  session s{in};
  while (in.more()) {
    s.step();
  }
  return 0;
}
