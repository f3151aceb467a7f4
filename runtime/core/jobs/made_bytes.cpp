#include "runtime/core/jobs/made_bytes.hpp"

namespace tayfa {

void made_bytes::set(const std::string& tenant, std::uint64_t job, std::size_t bytes) {
  const auto known = jobs_.find(job);
  const std::size_t before = known == jobs_.end() ? 0 : known->second;
  if (before == bytes) {
    return;
  }
  share& of = tenants_[tenant];
  by_bytes_.erase({of.bytes, tenant});
  of.jobs.erase({before, job});
  of.bytes = of.bytes - before + bytes;
  total_ = total_ - before + bytes;
  if (bytes > 0) {
    jobs_[job] = bytes;
    of.jobs.emplace(bytes, job);
  } else {
    jobs_.erase(job);
  }
  if (of.bytes > 0) {
    by_bytes_.emplace(of.bytes, tenant);
  } else {
    tenants_.erase(tenant);
  }
}

std::size_t made_bytes::of(std::uint64_t job) const {
  const auto known = jobs_.find(job);
  return known == jobs_.end() ? 0 : known->second;
}

std::optional<std::uint64_t> made_bytes::largest() const {
  if (by_bytes_.empty()) {
    return std::nullopt;
  }
  return tenants_.at(by_bytes_.rbegin()->second).jobs.rbegin()->second;
}

} // namespace tayfa
