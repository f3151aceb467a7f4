// How much running jobs have made that only memory holds (unread chunks, progress), and whose it
// is: who has to give something up when all of it together is too much. Owned by the job table.
// Pure.
//
// Invariants: total() is the sum over all jobs; largest() is the job with most bytes of the tenant
// with most bytes, so that no tenant loses anything because of one that holds more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace tayfa {

class made_bytes {
 public:
  /// Sets the bytes held by the job; 0 = none, it is erased. A job's tenant never changes.
  void set(const std::string& tenant, std::uint64_t job, std::size_t bytes);
  std::size_t total() const { return total_; }
  std::size_t of(std::uint64_t job) const;
  /// Nothing when no tenant holds anything.
  std::optional<std::uint64_t> largest() const;

 private:
  struct share {
    std::size_t bytes = 0;
    std::set<std::pair<std::size_t, std::uint64_t>> jobs; ///< by bytes
  };

  std::size_t total_ = 0;
  std::unordered_map<std::uint64_t, std::size_t> jobs_;
  std::map<std::string, share> tenants_;
  std::set<std::pair<std::size_t, std::string>> by_bytes_; ///< the tenants
};

} // namespace tayfa
