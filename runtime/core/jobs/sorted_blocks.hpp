// A sorted set in blocks of a few hundred members: the memory of a vector, the costs of a tree.
// Pure.
//
// For sets that hold one member per job, several per job of which there are a hundred thousand and
// more: a member costs its own size and a third, where a node of a tree costs 64 bytes. Finding,
// adding and removing one costs a search among the blocks, one within a block, and the move of a
// part of that block. Members that come in ascending order (orders of jobs do) fill the blocks.
//
// Invariants: no block is empty; members ascend within a block and from block to block; a block's
// key is at most its first member and greater than every member of the block before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace tayfa {

template <class T>
class sorted_blocks {
 public:
  /// False when it was there already.
  bool insert(const T& member) {
    auto at = blocks_.upper_bound(member);
    if (at == blocks_.begin()) {
      if (blocks_.empty()) {
        blocks_[member].push_back(member);
        ++size_;
        return true;
      }
      auto first = blocks_.extract(at); // its key is to be the least again
      first.key() = member;
      at = std::next(blocks_.insert(std::move(first)).position);
    }
    --at;
    auto& block = at->second;
    if (block.back() < member && block.size() >= most) {
      blocks_.emplace_hint(std::next(at), member, std::vector<T>{member});
      ++size_;
      return true;
    }
    const auto place = std::lower_bound(block.begin(), block.end(), member);
    if (place != block.end() && !(member < *place)) {
      return false;
    }
    block.insert(place, member);
    ++size_;
    if (block.size() > most) {
      split(at);
    }
    return true;
  }

  /// False when it was not there.
  bool erase(const T& member) {
    auto at = blocks_.upper_bound(member);
    if (at == blocks_.begin()) {
      return false;
    }
    --at;
    auto& block = at->second;
    const auto place = std::lower_bound(block.begin(), block.end(), member);
    if (place == block.end() || member < *place) {
      return false;
    }
    block.erase(place);
    --size_;
    if (block.empty()) {
      blocks_.erase(at);
    } else if (block.size() < least) {
      join(at);
    }
    return true;
  }

  bool contains(const T& member) const {
    const auto at = blocks_.upper_bound(member);
    return at != blocks_.begin() &&
           std::binary_search(std::prev(at)->second.begin(), std::prev(at)->second.end(), member);
  }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// Not of an empty set.
  const T& first() const { return blocks_.begin()->second.front(); }
  const T& last() const { return blocks_.rbegin()->second.back(); }

  /// The greatest member that is less.
  std::optional<T> below(const T& limit) const {
    auto at = blocks_.lower_bound(limit); // blocks before it may hold lesser ones only
    if (at == blocks_.begin()) {
      return std::nullopt;
    }
    const auto& block = std::prev(at)->second;
    const auto place = std::lower_bound(block.begin(), block.end(), limit);
    if (place != block.begin()) {
      return *std::prev(place);
    }
    --at; // the block's key is less than the limit, its members are not
    return at == blocks_.begin() ? std::nullopt : std::optional{std::prev(at)->second.back()};
  }

  /// The least member that is greater.
  std::optional<T> above(const T& limit) const {
    const auto at = blocks_.upper_bound(limit);
    if (at != blocks_.begin()) {
      const auto& block = std::prev(at)->second;
      const auto place = std::upper_bound(block.begin(), block.end(), limit);
      if (place != block.end()) {
        return *place;
      }
    }
    return at == blocks_.end() ? std::nullopt : std::optional{at->second.front()};
  }

 private:
  static constexpr std::size_t most = 256;
  static constexpr std::size_t least = most / 4;
  using blocks = std::map<T, std::vector<T>>;

  void split(typename blocks::iterator at) {
    auto& block = at->second;
    const auto half = block.begin() + static_cast<std::ptrdiff_t>(block.size() / 2);
    std::vector<T> upper{half, block.end()};
    block.erase(half, block.end());
    block.shrink_to_fit();
    const T key = upper.front();
    blocks_.emplace_hint(std::next(at), key, std::move(upper));
  }

  /// With the block behind it, unless that is nearly full; gives back what a shrunken one held.
  void join(typename blocks::iterator at) {
    const auto next = std::next(at);
    auto& block = at->second;
    if (next != blocks_.end() && block.size() + next->second.size() <= most / 2) {
      block.insert(block.end(), next->second.begin(), next->second.end());
      blocks_.erase(next);
    } else if (block.capacity() > 4 * block.size()) {
      block.shrink_to_fit();
    }
  }

  blocks blocks_;
  std::size_t size_ = 0;
};

} // namespace tayfa
