#include "runtime/model/zip_listing.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

namespace {

// Layouts: PKWARE's APPNOTE 6.3.x, sections 4.3.12 (central directory), 4.3.14-4.3.16 (its ends).
constexpr std::size_t end_size = 22;
constexpr std::size_t locator_size = 20;
constexpr std::size_t end64_size = 56;
constexpr std::size_t header_size = 46;
constexpr std::size_t comment_max = 65'535;
constexpr std::uint64_t directory_max = std::uint64_t{64} << 20;

std::uint64_t number(std::span<const char> from, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(from[at + i])} << (8 * i);
  }
  return value;
}

bool signed_as(std::span<const char> from, std::size_t at, char a, char b) {
  return from[at] == 'P' && from[at + 1] == 'K' && from[at + 2] == a && from[at + 3] == b;
}

auto broken(std::string text) {
  return fail(errc::model_invalid, "broken zip archive: " + text);
}

struct directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

/// The zip64 end record, if a locator precedes the end record at `end_at`.
result<std::optional<directory>> find_end64(const read_at& read, std::uint64_t end_at) {
  if (end_at < locator_size) {
    return std::nullopt;
  }
  std::array<char, locator_size> locator{};
  if (!read(end_at - locator_size, locator)) {
    return broken("it cannot be read");
  }
  if (!signed_as(locator, 0, 6, 7)) {
    return std::nullopt;
  }
  const std::uint64_t at = number(locator, 8, 8);
  std::array<char, end64_size> end{};
  if (at > end_at - locator_size || end_at - locator_size - at < end64_size || !read(at, end) ||
      !signed_as(end, 0, 6, 6)) {
    return broken("the zip64 end record is not where it should be");
  }
  return directory{number(end, 48, 8), number(end, 40, 8), number(end, 32, 8)};
}

result<directory> find_directory(std::uint64_t size, const read_at& read) {
  const std::uint64_t tail_size = std::min<std::uint64_t>(size, end_size + comment_max);
  if (tail_size < end_size) {
    return broken("too short");
  }
  std::vector<char> tail(tail_size);
  if (!read(size - tail_size, tail)) {
    return broken("it cannot be read");
  }
  for (std::size_t at = tail.size() - end_size + 1; at-- > 0;) {
    if (!signed_as(tail, at, 5, 6) || at + end_size + number(tail, at + 20, 2) != tail.size()) {
      continue;
    }
    const std::uint64_t end_at = size - tail_size + at;
    auto wide = find_end64(read, end_at);
    if (!wide) {
      return fail(std::move(wide.error()));
    }
    directory found{number(tail, at + 16, 4), number(tail, at + 12, 4), number(tail, at + 10, 2)};
    if (*wide) {
      found = **wide;
    }
    if (found.offset > end_at || found.size > end_at - found.offset) {
      return broken("the directory lies outside of the file");
    }
    return found;
  }
  return broken("it has no end record (cut off?)");
}

} // namespace

result<void> list_zip(std::uint64_t size, const read_at& read,
                      const std::function<void(std::string_view)>& each) {
  const auto found = find_directory(size, read);
  if (!found) {
    return fail(found.error());
  }
  if (found->size > directory_max) {
    return broken("the directory is too large");
  }
  std::vector<char> bytes(found->size);
  if (!read(found->offset, bytes)) {
    return broken("it cannot be read");
  }
  std::size_t at = 0;
  std::uint64_t entries = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at < header_size || !signed_as(bytes, at, 1, 2)) {
      return broken("a directory entry is malformed");
    }
    const std::size_t name = number(bytes, at + 28, 2);
    const std::size_t rest = number(bytes, at + 30, 2) + number(bytes, at + 32, 2);
    if (bytes.size() - at - header_size < name + rest) {
      return broken("a directory entry is cut off");
    }
    each(std::string_view{bytes.data() + at + header_size, name});
    at += header_size + name + rest;
    ++entries;
  }
  if (entries != found->entries) {
    return broken("the directory does not hold what its end record says");
  }
  return {};
}

} // namespace tayfa
