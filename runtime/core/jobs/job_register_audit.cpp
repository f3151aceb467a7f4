// The register's invariants. O(n log n): for tests and simulation.
#include "runtime/core/jobs/job_register.hpp"

#include <algorithm>

namespace tayfa {

namespace {

void expect(bool holds, const std::string& subject, const char* rule,
            std::vector<std::string>& broken) {
  if (!holds) {
    broken.push_back(subject + ": " + rule);
  }
}

} // namespace

void job_register::audit(std::vector<std::string>& broken) const {
  for (const auto& [id, r] : jobs_) {
    audit_one(id, r, broken);
  }
  audit_totals(broken);
  audit_indexes(broken);
}

void job_register::audit_one(const job_id& id, const job_record& r,
                             std::vector<std::string>& broken) const {
  const auto& name = id.str();
  expect(r.id == &id, name, "does not know its id", broken);
  expect((r.slow ? slow_ : urgent_).contains({r.due, r.order}), name, "its deadline is not kept",
         broken);
  expect(r.due == next_due(r), name, "its deadline is not the next one", broken);
  const auto ordered = by_order_.find(r.order);
  expect(ordered != by_order_.end() && ordered->second == &r, name, "is not under its order",
         broken);
}

void job_register::audit_totals(std::vector<std::string>& broken) const {
  std::size_t live_bytes = 0;
  std::size_t kept_bytes = 0;
  std::size_t over = 0;
  std::size_t dead = 0;
  std::size_t undelivered = 0;
  std::size_t undelivered_bytes = 0;
  std::size_t origins = 0;
  std::size_t changed = 0;
  std::size_t made = 0;
  std::size_t largest = 0;
  for (const auto& [id, r] : jobs_) {
    over += r.ended() ? 1 : 0;
    dead += r.dead ? 1 : 0;
    undelivered += r.delivery.undelivered ? 1 : 0;
    undelivered_bytes += r.delivery.undelivered ? r.bytes : 0;
    origins += r.ended() || !r.of_platform() ? 0 : 1;
    changed += r.changed != 0 ? 1 : 0;
    (r.ended() ? kept_bytes : live_bytes) +=
        r.input_bytes + r.output_bytes + (r.past_ ? r.past_->chunk_bytes : 0);
    made += r.ended() ? 0 : made_by(r);
    largest = std::max(largest, r.ended() && !r.delivery.undelivered ? r.bytes : 0);
  }
  expect(live_bytes == live_bytes_ && kept_bytes == kept_bytes_, "register", "wrong bytes", broken);
  expect(over == ended_ + dead_.size() + undelivered && dead == dead_.size() &&
             undelivered == undelivered_.size(),
         "register", "an ended job is not in its list, or twice", broken);
  expect(made == made_.total() && made <= limits_.made_bytes_max, "register",
         "what running jobs made is miscounted, or too much", broken);
  expect(origins == origins_live_.size(), "register", "platform jobs are miscounted", broken);
  expect(over - undelivered <= 1 ||
             (kept_bytes - undelivered_bytes <= limits_.kept_bytes_max + largest &&
              ended_ <= std::max<std::size_t>(limits_.kept_jobs_max, 1)),
         "register", "more is kept of ended jobs than allowed", broken);
  expect(dead <= std::max<std::size_t>(limits_.dead_max, 1), "register", "too many dead jobs",
         broken);
  expect(urgent_.size() + slow_.size() == jobs_.size(), "register", "a job has no deadline, or two",
         broken);
  expect(by_order_.size() == jobs_.size(), "register", "a job is not known by its order", broken);
  expect(limits_.durable ? changed <= dirty_.size() : changed == 0 && dirty_.empty(), "register",
         "a changed row is not noted", broken);
}

/// Every job is in the indexes of what it is, and these hold nothing else; what is kept of each
/// tenant is counted.
void job_register::audit_indexes(std::vector<std::string>& broken) const {
  std::map<std::string, std::size_t> kept_of;
  std::map<std::string, std::size_t> live_of;
  for (const auto& [id, r] : jobs_) {
    const auto within = [&r](const auto& index, const std::string& name) {
      const auto entry = index.find(name);
      return entry != index.end() && entry->second.contains(r.order);
    };
    const auto t = tenants_.find(r.request.policy.tenant);
    const bool found =
        orders_.contains(r.order) && t != tenants_.end() && t->second.orders.contains(r.order) &&
        within(of_model_, r.request.model) && within(of_endpoint_, r.request.endpoint) &&
        of_state_.at(static_cast<std::size_t>(r.state.state())).contains(r.order) &&
        dead_.contains(r.order) == r.dead && deliveries_.is_out(r.order) == r.delivery.out &&
        origins_live_.contains(r.order) == (!r.ended() && r.of_platform());
    expect(found, id.str(), "is not in an index, or in one of others", broken);
    expect(r.listed == (r.ended() && !r.delivery.undelivered), id.str(), "is not counted as kept",
           broken);
    kept_of[r.request.policy.tenant] += r.listed ? r.bytes : 0;
    live_of[r.request.policy.tenant] += r.ended() ? 0 : 1;
  }
  const auto sum = [](const auto& index) {
    std::size_t all = 0;
    for (const auto& [name, orders] : index) {
      all += orders.size();
    }
    return all;
  };
  std::size_t by_state = 0;
  for (const auto& orders : of_state_) {
    by_state += orders.size();
  }
  std::size_t by_tenant = 0;
  for (const auto& [name, t] : tenants_) {
    by_tenant += t.orders.size();
    expect(t.kept_bytes == kept_of[name] && t.live == live_of[name], "tenant " + name,
           "what is here of it is miscounted", broken);
    expect(by_bytes_.contains({t.kept_bytes, name}) == (t.kept_bytes > 0) &&
               by_ended_.contains({t.ended.size(), name}) == !t.ended.empty() &&
               by_dead_.contains({t.dead.size(), name}) == !t.dead.empty(),
           "tenant " + name, "is not ranked", broken);
  }
  const auto all = jobs_.size();
  expect(orders_.size() == all && by_state == all && by_tenant == all && sum(of_model_) == all &&
             sum(of_endpoint_) == all,
         "table", "an index holds what is not here", broken);
}

} // namespace tayfa
