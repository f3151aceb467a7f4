// Calls of the workers, and their answers.
#include "runtime/base/text.hpp"
#include "runtime/runpod_platform/worker_registry.hpp"

#include <algorithm>
#include <string_view>

namespace tayfa::remote {

namespace {

/// Ids of one ping that are looked at; more than the SDK's own buffer holds.
constexpr std::size_t pinged_max = 4'096;
/// Longer than any id that was handed out here.
constexpr std::size_t id_max = job_id::max_length + 32;

/// True for the format of ids that are handed out.
bool is_id(std::string_view id) {
  const auto rest = id.substr(std::min(id.size(), job_id::max_length));
  return id.size() <= id_max && job_id::parse(id.substr(0, job_id::max_length)).has_value() &&
         (rest.empty() || job_id::parse(rest).has_value());
}

} // namespace

// ---- polls --------------------------------------------------------------------------------------

effects worker_registry::take(moment now, poll_id poll, const api::take_jobs& m) {
  effects out;
  if (stopping_) {
    // 429 and not 204 or 503: the SDK asks again at once after those.
    out.emplace_back(turn_away{poll, {errc::rate_limited, "the pod is stopping"}});
    return out;
  }
  const auto met = meet(now, m.from, out);
  if (!met) {
    out.emplace_back(turn_away{poll, met.error()});
    return out;
  }
  worker* const w = *met;
  w->fit = true; // the process that reported trouble has ended; this is another one
  const std::size_t room = jobs_max - std::min(jobs_max, w->jobs.size() + wanted(*w));
  const std::size_t asked = m.batch ? std::max<std::size_t>(m.wanted, 1) : 1;
  if (room == 0) {
    out.emplace_back(turn_away{poll, {errc::rate_limited, "too many jobs for one worker"}});
    schedule(*w);
    return out;
  }
  if (w->takes.size() >= polls_max) {
    open_.erase(w->takes.front().poll);
    out.emplace_back(nothing_yet{w->takes.front().poll});
    w->takes.pop_front();
  }
  const auto number = static_cast<std::uint32_t>(std::min(asked, room));
  w->takes.push_back({poll, number, m.batch, now + limits_.hold});
  w->takes_again = true;
  open_[poll] = w;
  answer_takes(now, *w, out);
  adjust(*w, out);
  schedule(*w);
  return out;
}

effects worker_registry::poll_stops(moment now, poll_id poll, const api::poll_stops& m) {
  effects out;
  const auto met = meet(now, m.from, out);
  if (!met) {
    out.emplace_back(turn_away{poll, met.error()});
    return out;
  }
  worker* const w = *met;
  if (w->stops.size() >= polls_max) {
    open_.erase(w->stops.front().poll);
    out.emplace_back(nothing_yet{w->stops.front().poll});
    w->stops.pop_front();
  }
  w->stops.push_back({poll, now + limits_.hold});
  open_[poll] = w;
  answer_stop_polls(*w, out);
  schedule(*w);
  return out;
}

effects worker_registry::gone(moment, poll_id poll) {
  effects out;
  const auto entry = open_.find(poll);
  if (entry == open_.end()) {
    return out;
  }
  worker& w = *entry->second;
  open_.erase(entry);
  const auto left = std::erase_if(w.takes, [poll](const take_poll& t) { return t.poll == poll; });
  w.takes_again = w.takes_again && left == 0;
  std::erase_if(w.stops, [poll](const stop_poll& s) { return s.poll == poll; });
  adjust(w, out);
  schedule(w);
  return out;
}

/// With what has been assigned; as many takes as that is enough for.
void worker_registry::answer_takes(moment now, worker& w, effects& out) {
  while (!w.takes.empty() && !w.unclaimed.empty()) {
    const auto t = w.takes.front();
    w.takes.pop_front();
    hand_out answer{t.poll, t.batch, {}};
    while (answer.jobs.size() < t.wanted && !w.unclaimed.empty()) {
      const auto id = w.unclaimed.front();
      w.unclaimed.pop_front();
      job& j = w.jobs.at(id);
      j.at = job::place::leaving;
      j.with = t.poll;
      j.since = now;
      answer.jobs.push_back({id, j.input, j.s3_config, {}});
    }
    open_.erase(t.poll);
    flying_[t.poll] = &w;
    out.emplace_back(std::move(answer));
  }
}

effects worker_registry::left(moment now, poll_id poll, bool whole) {
  effects out;
  const auto flight = flying_.find(poll);
  if (flight == flying_.end()) {
    return out;
  }
  worker& w = *flight->second;
  flying_.erase(flight);
  for (auto entry = w.jobs.begin(); entry != w.jobs.end();) {
    const auto here = entry++;
    job& j = here->second;
    if (j.stop_sent_with == poll) {
      j.stop_sent_with = 0;
      if (whole) {
        end_revoked(w, here, out);
      }
    } else if (j.with == poll && j.at == job::place::leaving) {
      if (whole) {
        arrived(now, w, j, out);
      } else if (j.revoked) {
        end_revoked(w, here, out);
      } else {
        give_back(w, here, "the answer did not reach its worker", out);
      }
    }
  }
  for (auto orphan = w.orphans.begin(); orphan != w.orphans.end();) {
    const bool was_sent = orphan->second == poll;
    orphan->second = was_sent ? 0 : orphan->second;
    orphan = was_sent && whole ? w.orphans.erase(orphan) : std::next(orphan);
  }
  answer_stop_polls(w, out);
  schedule(w);
  return out;
}

/// Pending stops leave with the oldest open stop poll.
void worker_registry::answer_stop_polls(worker& w, effects& out) {
  if (w.stops.empty()) {
    return;
  }
  const auto poll = w.stops.front().poll;
  send_stops answer{poll, {}};
  for (auto& [id, j] : w.jobs) {
    if (j.revoked && j.at == job::place::there && j.stop_sent_with == 0) {
      j.stop_sent_with = poll;
      answer.jobs.push_back(id);
    }
  }
  for (auto& [id, sent_with] : w.orphans) {
    if (sent_with == 0) {
      sent_with = poll;
      answer.jobs.push_back(id);
    }
  }
  if (answer.jobs.empty()) {
    return;
  }
  w.stops.pop_front();
  open_.erase(poll);
  flying_[poll] = &w;
  out.emplace_back(std::move(answer));
}

// ---- pings --------------------------------------------------------------------------------------

worker_registry::verdict worker_registry::ping(moment now, const api::worker_ping& m) {
  verdict v;
  effects& out = v.then;
  const auto met = meet(now, m.from, out);
  if (!met) {
    v.answer = fail(met.error());
    return v;
  }
  worker* const w = *met;
  w->version = m.version.substr(0, version_max);
  if (!m.unfit.empty()) {
    w->fit = false;
    out.emplace_back(log_entry{log_entry::what::unfit, m.from.worker, m.from.endpoint,
                               text::visible(m.unfit, 300)});
    part(*w, error{errc::unfit, text::visible(m.unfit, 300)}, out);
    w->orphans.clear(); // such a worker ends
    schedule(*w);
    return v;
  }
  w->fit = true;
  const std::set<std::string_view> named{
      m.jobs.begin(),
      m.jobs.begin() + static_cast<std::ptrdiff_t>(std::min(m.jobs.size(), pinged_max))};
  for (const auto id : named) {
    if (is_id(id) && !w->jobs.contains(std::string{id})) {
      claim(now, *w, std::string{id}, out);
    }
  }
  give_up_missing(now, *w, named, out);
  for (auto entry = w->jobs.begin(); entry != w->jobs.end();) {
    const auto here = entry++;
    job& j = here->second;
    if (j.at == job::place::here) {
      continue;
    }
    if (named.contains(here->first)) {
      arrived(now, *w, j, out);
      if (!j.revoked) {
        out.emplace_back(attempt_reported{w->ref, protocol::stepped{j.attempt, ++j.steps}});
      }
    } else if (j.at == job::place::leaving && j.with == 0 &&
               now - j.since >= limits_.ping_interval) {
      j.revoked ? end_revoked(*w, here, out)
                : give_back(*w, here, "it did not reach its worker", out);
    } else if (j.revoked && j.at == job::place::there && now - j.since >= limits_.ping_interval) {
      end_revoked(*w, here, out); // it was not at it any more when this ping was made
    }
  }
  std::erase_if(w->orphans, [&named](const auto& each) {
    return each.second == 0 && !named.contains(each.first);
  });
  for (const auto id : named) {
    if (is_id(id) && !w->jobs.contains(std::string{id})) {
      add_orphan(*w, std::string{id});
    }
  }
  answer_stop_polls(*w, out);
  schedule(*w);
  return v;
}

// ---- results ------------------------------------------------------------------------------------

/// The worker that posts. One that is not known yet may have the job since before this process.
worker_registry::worker* worker_registry::poster(moment now, const api::worker_place& from,
                                                 const std::string& id, verdict& v) {
  const key who{from.endpoint, from.worker};
  if (worker* const known = find(who)) {
    return known;
  }
  if (!claimable_.contains({lasting_name(who, from.key), id})) {
    return nullptr;
  }
  const auto met = meet(now, from, v.then);
  return met ? *met : nullptr;
}

/// The job that a post is about, or the end of w->jobs (or of nothing) with the refusal in `v`.
worker_registry::job_entry worker_registry::of_post(moment now, worker* w,
                                                    const api::worker_place& from,
                                                    const std::string& id, bool last, verdict& v) {
  const auto refuse = [this, &v](const char* why) {
    ++refused_;
    v.answer = fail(errc::job_not_found, why);
  };
  if (w == nullptr) {
    refuse("no worker of this name is known");
    return {};
  }
  if (const auto may = may_speak(*w, from); !may) {
    ++refused_;
    v.answer = fail(may.error());
    return w->jobs.end();
  }
  w->heard = now;
  auto entry = w->jobs.find(id);
  if (entry == w->jobs.end()) {
    entry = claim(now, *w, id, v.then);
  }
  if (entry == w->jobs.end() || entry->second.at == job::place::here) {
    if (last) {
      w->orphans.erase(id);
    }
    refuse("this worker does not hold this job");
    return w->jobs.end();
  }
  arrived(now, *w, entry->second, v.then);
  if (entry->second.revoked) {
    if (last) {
      end_revoked(*w, entry, v.then);
    }
    refuse("this worker was asked to stop this job");
    return w->jobs.end();
  }
  return entry;
}

worker_registry::verdict worker_registry::posted(moment now, const api::worker_result& m) {
  verdict v;
  worker* w = poster(now, m.from, m.job, v);
  const bool last = m.kind != api::worker_result::what::progress;
  const auto entry = of_post(now, w, m.from, m.job, last, v);
  if (w == nullptr) {
    return v;
  }
  if (v.answer) {
    job& j = entry->second;
    protocol::finished end;
    end.run_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        std::chrono::duration_cast<milliseconds>(now - j.since).count(), 0, UINT32_MAX));
    v.when_durable = last;
    if (last) {
      w->unsettled.emplace(m.job, j.attempt);
    }
    switch (m.kind) {
    case api::worker_result::what::progress:
      v.then.emplace_back(
          attempt_reported{w->ref, protocol::progress{j.attempt, ++j.progress, m.output}});
      break;
    case api::worker_result::what::completed:
      end.output = m.output;
      ++w->completed;
      finish(*w, entry, std::move(end), v.then);
      break;
    case api::worker_result::what::failed:
      end.how = protocol::outcome::failed;
      end.code = static_cast<std::uint16_t>(errc::job_failed);
      end.text = text::cut_middle(m.error, error_max);
      finish(*w, entry, std::move(end), v.then);
      break;
    }
  }
  schedule(*w);
  return v;
}

worker_registry::verdict worker_registry::streamed(moment now, const api::worker_chunk& m) {
  verdict v;
  worker* w = poster(now, m.from, m.job, v);
  const auto entry = of_post(now, w, m.from, m.job, false, v);
  if (w == nullptr) {
    return v;
  }
  if (v.answer) {
    job& j = entry->second;
    v.when_durable = j.chunks == 0;
    v.then.emplace_back(
        attempt_reported{w->ref, protocol::partial{j.attempt, ++j.chunks, m.output}});
  }
  schedule(*w);
  return v;
}

} // namespace tayfa::remote
