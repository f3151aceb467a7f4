#include "runtime/core/held_calls.hpp"

#include <algorithm>

namespace tayfa {

held_calls::number held_calls::hold(moment now, job_id job, held_for what, milliseconds wait) {
  const auto call = ++last_;
  const moment end = now + wait;
  by_job_.emplace(job, call);
  calls_.emplace(call, held{std::move(job), what, std::min(now + least_hold, end), end, end});
  due_.emplace(end, call);
  return call;
}

void held_calls::release(number call) {
  const auto node = calls_.extract(call);
  if (node.empty()) {
    return;
  }
  leave_job(call, node.mapped().job);
  due_.erase({node.mapped().due, call});
}

void held_calls::rename(number call, job_id job) {
  held& h = calls_.at(call);
  leave_job(call, h.job);
  by_job_.emplace(job, call);
  h.job = std::move(job);
}

void held_calls::shorten(moment now, number call, milliseconds rest) {
  held& h = calls_.at(call);
  h.end = std::min(h.end, now + rest);
  h.earliest = std::min(h.earliest, h.end);
  set_due(call, h, h.end);
}

std::vector<held_calls::number> held_calls::streamed(moment now, const job_id& job) {
  std::vector<number> ready;
  for (const auto call : of(job)) {
    if (calls_.at(call).what == held_for::chunks && may_answer(now, call)) {
      ready.push_back(call);
    }
  }
  return ready;
}

bool held_calls::may_answer(moment now, number call) {
  held& h = calls_.at(call);
  if (now >= h.earliest) {
    return true;
  }
  set_due(call, h, h.earliest);
  return false;
}

void held_calls::sent(moment now, const job_id& job) {
  under_way& u = sent_[job];
  ++u.answers;
  u.until = now + receipt_patience;
}

std::vector<held_calls::number> held_calls::settled(const job_id& job) {
  const auto entry = sent_.find(job);
  if (entry == sent_.end() || --entry->second.answers > 0) {
    return {};
  }
  sent_.erase(entry);
  auto waiting = of(job);
  std::erase_if(waiting, [this](number call) { return calls_.at(call).what != held_for::chunks; });
  return waiting;
}

bool held_calls::receipt_is_missing(moment now, number call) const {
  const auto entry = sent_.find(calls_.at(call).job);
  return entry != sent_.end() && now < entry->second.until;
}

void held_calls::wait_for_receipt(number call) {
  held& h = calls_.at(call);
  const moment until = sent_.at(h.job).until;
  if (std::exchange(h.over, false)) {
    h.end = until;
  }
  set_due(call, h, std::min(h.end, until));
}

void held_calls::wait_on(number call) {
  held& h = calls_.at(call);
  set_due(call, h, h.end);
}

std::vector<held_calls::due_call> held_calls::due(moment now) {
  std::vector<due_call> found;
  for (auto at = due_.begin(); at != due_.end() && at->first <= now; ++at) {
    found.push_back({at->second, calls_.at(at->second).end <= now});
  }
  for (const auto& each : found) {
    held& h = calls_.at(each.call);
    if (each.over) {
      due_.erase({h.due, each.call});
      h.over = true;
    } else {
      set_due(each.call, h, h.end);
    }
  }
  return found;
}

std::optional<moment> held_calls::next_due() const {
  return due_.empty() ? std::nullopt : std::optional{due_.begin()->first};
}

std::vector<held_calls::number> held_calls::of(const job_id& job) const {
  std::vector<number> found;
  const auto [first, last] = by_job_.equal_range(job);
  std::for_each(first, last, [&found](const auto& each) { found.push_back(each.second); });
  return found;
}

std::vector<held_calls::number> held_calls::all() const {
  std::vector<number> found;
  found.reserve(calls_.size());
  for (const auto& [call, h] : calls_) {
    found.push_back(call);
  }
  return found;
}

void held_calls::set_due(number call, held& h, moment at) {
  if (h.over) {
    return;
  }
  due_.erase({h.due, call});
  h.due = at;
  due_.emplace(at, call);
}

void held_calls::leave_job(number call, const job_id& job) {
  const auto [first, last] = by_job_.equal_range(job);
  const auto entry =
      std::find_if(first, last, [call](const auto& each) { return each.second == call; });
  if (entry != last) {
    by_job_.erase(entry);
  }
}

std::vector<std::string> held_calls::audit() const {
  std::vector<std::string> out;
  const auto check = [&out](bool holds, number call, const char* rule) {
    if (!holds) {
      out.push_back("call " + std::to_string(call) + ": " + rule);
    }
  };
  std::size_t waiting = 0;
  for (const auto& [call, h] : calls_) {
    check(due_.contains({h.due, call}) != h.over, call, "it is not due when it says");
    waiting += h.over ? 0 : 1;
    check(h.due <= h.end && h.earliest <= h.end, call, "it is due after its end");
    const auto ours = of(h.job);
    check(std::count(ours.begin(), ours.end(), call) == 1, call, "its job does not know it");
  }
  if (due_.size() != waiting || by_job_.size() != calls_.size()) {
    out.emplace_back("the indexes do not fit the calls");
  }
  return out;
}

} // namespace tayfa
