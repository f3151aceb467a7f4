// The rows that a store without faults would hold: every change applied as runtime/store/row.hpp
// says.
#pragma once

#include "runtime/store/row.hpp"

#include <map>
#include <vector>

namespace tayfa::testing {

class perfect_store {
 public:
  void apply(const store::batch& batch) {
    for (const auto& c : batch) {
      if (const auto* e = std::get_if<store::erase>(&c)) {
        rows_.erase(e->order);
      } else {
        apply(std::get<store::put>(c));
      }
    }
  }
  /// In the format of job_store::recovered.
  std::vector<store::job_row> rows() const {
    std::vector<store::job_row> all;
    for (const auto& [order, row] : rows_) {
      all.push_back(row);
    }
    return all;
  }
  std::uint64_t last_order() const { return last_; }
  const std::map<std::uint64_t, store::job_row>& by_order() const { return rows_; }
  std::size_t size() const { return rows_.size(); }

 private:
  void apply(const store::put& p) {
    auto row = p.row;
    if ((p.which & store::part_request) != 0) {
      row.input_bytes = row.request.input.size();
      last_ = std::max(last_, row.order);
    } else {
      const auto old = rows_.find(row.order);
      if (old == rows_.end()) {
        return; // gone, and stays gone
      }
      row.id = old->second.id;
      row.request = old->second.request;
      row.fingerprint = old->second.fingerprint;
      row.submitted = old->second.submitted;
      row.input_bytes = old->second.input_bytes;
      if ((p.which & store::part_output) == 0) {
        row.output = old->second.output;
        row.output_bytes = old->second.output_bytes;
      }
      if ((p.which & store::part_chunks) == 0) {
        row.chunks = old->second.chunks;
      }
    }
    if ((p.which & store::part_input_released) != 0) {
      row.request.input = {};
      row.input_bytes = 0;
    }
    rows_[row.order] = std::move(row);
  }

  std::map<std::uint64_t, store::job_row> rows_;
  std::uint64_t last_ = 0;
};

} // namespace tayfa::testing
