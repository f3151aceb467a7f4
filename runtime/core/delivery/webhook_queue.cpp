#include "runtime/core/delivery/webhook_queue.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Another call may begin: fewer are under way than there are places left.
bool within_share(std::size_t mine, std::size_t all, std::size_t most) {
  return all < most && mine < most - all;
}

} // namespace

void webhook_queue::make_ready(tenant_entry t, bool on) {
  if (std::exchange(t->second.ready, on) != on) {
    if (on) {
      ready_.insert(rank_of(t->first, t->second));
    } else {
      ready_.erase(rank_of(t->first, t->second));
    }
  }
}

void webhook_queue::wait(std::uint64_t order, const std::string& tenant_name,
                         const std::string& target, std::size_t bytes) {
  const auto [t, fresh] = tenants_.try_emplace(tenant_name);
  if (fresh) {
    t->second.turn = ++turns_;
  }
  auto& list = t->second.lists[target];
  if (list.empty()) {
    t->second.targets.push_back(target);
  }
  list.emplace(++ages_, waiting_call{order, bytes});
  waiting_.emplace(order, place{t, target, ages_});
  make_ready(t, true);
}

void webhook_queue::take_out(tenant_entry t, const std::string& target, std::uint64_t age) {
  const auto list = t->second.lists.find(target);
  list->second.erase(age);
  if (list->second.empty()) {
    std::erase(t->second.targets, target);
    t->second.lists.erase(list);
  }
}

void webhook_queue::forget_idle(tenant_entry t) {
  if (t->second.lists.empty()) {
    make_ready(t, false);
    if (t->second.running == 0) {
      tenants_.erase(t);
    }
  }
}

void webhook_queue::leave(std::uint64_t order) {
  const auto node = waiting_.extract(order);
  if (!node.empty()) {
    const auto& p = node.mapped();
    take_out(p.of, p.target, p.age);
    make_ready(p.of, true); // what comes after it may be smaller
    forget_idle(p.of);
  }
}

/// For the oldest that waits for this target.
bool webhook_queue::has_room(const std::string& name, const tenant& t,
                             const std::string& target) const {
  const auto bytes = t.lists.at(target).begin()->second.bytes;
  const auto free = bounds_.bytes_max - std::min(bounds_.bytes_max, bytes_);
  const bool fits = running_.empty() || (t.bytes <= free && bytes <= free - t.bytes);
  return fits && target_has_room(name, target);
}

bool webhook_queue::target_has_room(const std::string& tenant_name,
                                    const std::string& target) const {
  const auto calls = targets_.find(target);
  if (calls == targets_.end()) {
    return true;
  }
  const auto mine = calls->second.of_tenant.find(tenant_name);
  return within_share(mine == calls->second.of_tenant.end() ? 0 : mine->second, calls->second.all,
                      bounds_.target_max);
}

std::optional<webhook_queue::turn> webhook_queue::next(moment now) {
  while (!ready_.empty()) {
    const auto t = tenants_.find(std::get<std::string>(*ready_.begin()));
    if (!within_share(t->second.running, running_.size(), bounds_.calls_max)) {
      return std::nullopt; // and no other tenant has fewer
    }
    const auto& all = t->second.targets;
    const auto found = std::find_if(all.begin(), all.end(), [&](const std::string& target) {
      return has_room(t->first, t->second, target);
    });
    if (found != all.end()) {
      return begin(t, static_cast<std::size_t>(found - all.begin()), now);
    }
    make_ready(t, false); // until a call ends
  }
  return std::nullopt;
}

std::optional<webhook_queue::turn> webhook_queue::begin(tenant_entry t, std::size_t at,
                                                        moment now) {
  make_ready(t, false);
  auto& targets = t->second.targets;
  const auto chosen = targets.begin() + static_cast<std::ptrdiff_t>(at);
  std::rotate(chosen, chosen + 1, targets.end()); // behind the others
  const std::string target = targets.back();
  const auto [age, what] = *t->second.lists.at(target).begin();
  waiting_.erase(what.order);
  take_out(t, target, age);
  ++t->second.running;
  t->second.bytes += what.bytes;
  bytes_ += what.bytes;
  t->second.turn = ++turns_;
  auto& calls = targets_[target];
  ++calls.all;
  ++calls.of_tenant[t->first];
  running_.emplace(++calls_, running_call{t->first, target, what.bytes, now});
  make_ready(t, !t->second.lists.empty());
  return turn{what.order, calls_};
}

void webhook_queue::ended(std::uint64_t call, moment now) {
  end(call, now);
}

void webhook_queue::unmade(std::uint64_t call) {
  end(call, std::nullopt);
}

void webhook_queue::end(std::uint64_t call, std::optional<moment> now) {
  const auto node = running_.extract(call);
  if (node.empty()) {
    return;
  }
  const auto& [tenant_name, target, bytes, began] = node.mapped();
  const auto calls = targets_.find(target);
  if (--calls->second.of_tenant.at(tenant_name) == 0) {
    calls->second.of_tenant.erase(tenant_name);
  }
  if (--calls->second.all == 0) {
    targets_.erase(calls);
  }
  const auto t = tenants_.find(tenant_name);
  make_ready(t, false);
  --t->second.running;
  if (now) {
    t->second.rest += *now - began;
    const auto whole = std::chrono::floor<std::chrono::seconds>(t->second.rest);
    t->second.used += whole;
    t->second.rest -= whole;
  }
  t->second.bytes -= bytes;
  bytes_ -= bytes;
  for (auto each = tenants_.begin(); each != tenants_.end(); ++each) {
    make_ready(each, !each->second.lists.empty());
  }
  forget_idle(t);
}

void webhook_queue::forget_calls() {
  running_.clear();
  targets_.clear();
  ready_.clear();
  bytes_ = 0;
  for (auto t = tenants_.begin(); t != tenants_.end();) {
    const auto here = t++;
    here->second.running = 0;
    here->second.bytes = 0;
    here->second.ready = false;
    make_ready(here, !here->second.lists.empty());
    forget_idle(here);
  }
}

std::vector<std::string> webhook_queue::audit() const {
  std::vector<std::string> out;
  const auto expect = [&out](bool holds, const std::string& words) {
    if (!holds) {
      out.push_back("webhooks: " + words);
    }
  };
  std::size_t running = 0;
  std::size_t waiting = 0;
  std::size_t bytes = 0;
  for (const auto& [name, t] : tenants_) {
    expect(t.running > 0 || !t.lists.empty(), "a tenant with nothing is kept: " + name);
    expect(t.targets.size() == t.lists.size(), "a target has no turn");
    expect(t.ready == ready_.contains(rank_of(name, t)), "a tenant is ready or not");
    bool could = false;
    for (const auto& [target, list] : t.lists) {
      expect(!list.empty(), "an empty list is kept");
      could = could || has_room(name, t, target);
      waiting += list.size();
    }
    could = could && within_share(t.running, running_.size(), bounds_.calls_max);
    expect(t.ready || !could, "a tenant that could begin is not asked: " + name);
    running += t.running;
    bytes += t.bytes;
  }
  expect(bytes == bytes_, "bytes are miscounted");
  expect(running == running_.size() && running <= bounds_.calls_max, "calls are miscounted");
  expect(waiting == waiting_.size(), "what waits is miscounted");
  for (const auto& [target, calls] : targets_) {
    expect(calls.all > 0 && calls.all <= bounds_.target_max, "too many calls of " + target);
  }
  return out;
}

std::string hook_target(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) {
    return url;
  }
  const auto begin = scheme + 3;
  auto host = url.substr(begin, url.find_first_of("/?#\\", begin) - begin);
  host.erase(0, host.rfind('@') + 1);
  const auto colon = host.find(':', host.rfind(']') + 1);
  auto port = colon == std::string::npos ? std::string{} : host.substr(colon + 1);
  host.resize(std::min(colon, host.size()));
  while (host.ends_with('.')) {
    host.pop_back();
  }
  host = text::lower(host);
  if (port.empty()) {
    const bool tls = scheme == 5 && text::lower(url[4]) == 's';
    port = tls ? "443" : "80";
  }
  return host + ":" + port;
}

} // namespace tayfa
