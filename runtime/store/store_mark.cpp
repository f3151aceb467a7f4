#include "runtime/store/store_mark.hpp"

#include "runtime/store/text_files.hpp"

#include <charconv>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::string_view begin_of_mark = "tayfa commits ";
constexpr std::size_t digits = 20;
constexpr std::size_t sum_digits = 16;

std::string sum_of(std::string_view text) {
  return sha256_of(text).value_or("").substr(0, sum_digits);
}

} // namespace

/// Always of the same length, so that it can be written over.
std::string mark_text(std::uint64_t commits) {
  auto number = std::to_string(commits);
  number.insert(0, digits - number.size(), '0');
  auto text = std::string{begin_of_mark} + number + ' ';
  text += sum_of(text) + '\n';
  return text;
}

std::optional<std::uint64_t> commits_in(std::string_view text) {
  const auto end = begin_of_mark.size() + digits;
  if (text.size() < end || !text.starts_with(begin_of_mark)) {
    return {};
  }
  std::uint64_t commits = 0;
  const auto* const last = text.data() + end;
  const auto read = std::from_chars(text.data() + begin_of_mark.size(), last, commits);
  const bool good = read.ec == std::errc{} && read.ptr == last && text == mark_text(commits);
  return good ? std::optional{commits} : std::nullopt;
}

store_mark::store_mark(file_system& files, std::string path)
    : files_(&files), path_(std::move(path)) {}

std::uint64_t store_mark::acknowledged() const {
  const auto text = files_->read(path_, 100);
  return text ? commits_in(*text).value_or(0) : 0;
}

void store_mark::begin(std::uint64_t commits) {
  const auto text = mark_text(commits);
  const auto before = files_->read(path_, 100);
  if (before && before->size() == text.size()) {
    say(commits);
    return;
  }
  const auto folder = path_.substr(0, path_.rfind('/'));
  flushed_ = files_->write_flushed(path_, text) && files_->sync_folder(folder);
}

void store_mark::say(std::uint64_t commits) {
  static_cast<void>(files_->write_over(path_, mark_text(commits)));
  flushed_ = false;
}

void store_mark::flush() {
  if (!flushed_) {
    flushed_ = files_->write_again(path_).has_value();
  }
}

} // namespace tayfa::store
