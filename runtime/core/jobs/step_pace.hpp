// The size of the steps in which purges, time-outs and forgetting change rows.
//
// A commit holds a step and all other decisions made meanwhile, so every client waits for its rows.
// While only steps change rows they are large, which costs least; as soon as others change rows as
// well, each step is half of the one before, down to `least_rows`.
//
// Owner: the job table, when it has a store. Pure: rows are counted, no time is taken.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tayfa {

class step_pace {
 public:
  static constexpr std::size_t least_rows = 16;

  explicit step_pace(std::size_t most)
      : most_(std::max<std::size_t>(most, 1)), least_(std::min(most_, least_rows)), size_(most_) {}

  /// Rows of the step that begins now, at most.
  std::size_t next() {
    size_ =
        std::exchange(others_, false) ? std::max(size_ / 2, least_) : std::min(size_ * 2, most_);
    return size_;
  }
  /// A step changed so many rows.
  void made(std::size_t rows) { made_ += rows; }
  /// So many rows go to the store, those of the last step among them.
  void taken(std::size_t rows) { others_ = rows > std::exchange(made_, 0) || others_; }

 private:
  std::size_t most_;
  std::size_t least_;
  std::size_t size_;
  std::size_t made_ = 0;
  bool others_ = false;
};

} // namespace tayfa
