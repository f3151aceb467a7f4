#include "runtime/store/text_files.hpp"

#include <algorithm>
#include <memory>
#include <openssl/evp.h>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::size_t digits = 64;
constexpr std::string_view unfinished = ".new";

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

} // namespace

result<std::string> sha256_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1 ||
      length * 2 != digits) {
    return fail(errc::internal, "SHA-256 is not available");
  }
  constexpr std::string_view hex = "0123456789abcdef";
  std::string name;
  name.reserve(digits);
  for (unsigned i = 0; i < length; ++i) {
    name += hex[digest[i] >> 4];
    name += hex[digest[i] & 15];
  }
  return name;
}

text_files::text_files(file_system& files, std::string folder)
    : files_(&files), folder_(std::move(folder)) {}

std::string text_files::folder_of(const std::string& name) const {
  return folder_ + "/" + name.substr(0, 2);
}
std::string text_files::path_of(const std::string& name) const {
  return folder_of(name) + "/" + name.substr(2);
}

result<void> text_files::prepare() {
  return files_->make_folder(folder_);
}

void text_files::adopt(std::uint64_t row, part which, const std::string& name) {
  rows_[row][static_cast<std::size_t>(which)] = name;
  ++uses_[name];
}

void text_files::sweep() {
  const auto found = files_->list(folder_);
  if (!found) {
    return;
  }
  for (const auto& folder : *found) {
    if (folder.size() != 2 || !is_hex(folder)) {
      continue; // not ours
    }
    const auto inside = files_->list(folder_ + "/" + folder);
    for (const auto& file : inside ? *inside : std::vector<std::string>{}) {
      if (!uses_.contains(folder + file)) {
        static_cast<void>(files_->remove(folder_ + "/" + folder + "/" + file));
      }
    }
  }
}

result<void> text_files::write(const std::string& name, std::string_view text) {
  const auto folder = folder_of(name);
  if (!folders_.contains(folder)) {
    if (auto made = files_->make_folder(folder); !made) {
      return made;
    }
    if (auto flushed = files_->sync_folder(folder_); !flushed) {
      return flushed;
    }
    folders_.insert(folder);
  }
  const auto path = path_of(name);
  const auto temporary = path + std::string{unfinished};
  auto written = files_->write_flushed(temporary, text);
  if (written) {
    written = files_->rename(temporary, path);
  }
  if (!written) {
    static_cast<void>(files_->remove(temporary));
    return written;
  }
  unflushed_.insert(folder);
  return {};
}

result<std::string> text_files::keep(std::uint64_t row, part which, std::string_view text) {
  auto name = sha256_of(text);
  if (!name) {
    return name;
  }
  // With a use it is there and flushed, or was written in this transaction.
  const auto known = uses_.find(*name);
  if (known == uses_.end() || known->second == 0) {
    if (auto written = write(*name, text); !written) {
      return fail(written.error());
    }
  }
  refer(row, which, *name);
  return name;
}

void text_files::drop(std::uint64_t row, part which) {
  if (rows_.contains(row)) {
    refer(row, which, {});
  }
}

void text_files::refer(std::uint64_t row, part which, std::string name) {
  auto& names_of_row = rows_[row];
  auto& now = names_of_row[static_cast<std::size_t>(which)];
  if (now == name) {
    return;
  }
  if (!now.empty()) {
    --uses_[now];
    maybe_unused_.insert(now);
  }
  if (!name.empty()) {
    ++uses_[name];
    maybe_unused_.insert(name); // should the transaction be undone
  }
  steps_.push_back({row, which, std::exchange(now, std::move(name))});
  if (names_of_row[0].empty() && names_of_row[1].empty()) {
    rows_.erase(row);
  }
}

result<void> text_files::flush_names() {
  for (const auto& folder : unflushed_) {
    if (auto flushed = files_->sync_folder(folder); !flushed) {
      return flushed;
    }
  }
  unflushed_.clear();
  return {};
}

void text_files::settle() {
  steps_.clear();
  remove_unused();
}

void text_files::undo() {
  auto steps = std::exchange(steps_, {});
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    refer(at->row, at->which, at->before);
  }
  steps_.clear();
  remove_unused();
}

void text_files::remove_unused() {
  for (const auto& name : std::exchange(maybe_unused_, {})) {
    const auto found = uses_.find(name);
    if (found != uses_.end() && found->second == 0) {
      uses_.erase(found);
      // A file that stays is swept at the next open.
      static_cast<void>(files_->remove(path_of(name)));
    }
  }
  unflushed_.clear();
}

result<shared_text> text_files::read(const std::string& name, std::size_t bytes) const {
  if (name.size() != digits || !is_hex(name)) {
    return fail(errc::store_corrupt, "a row names an impossible file");
  }
  auto text = files_->read(path_of(name), bytes + 1);
  if (!text) {
    const auto code = text.error().code;
    return fail(code == errc::not_found      ? errc::store_corrupt
                : code == errc::storage_full ? errc::unavailable // a shortage, which passes
                                             : errc::io_error,
                text.error().text);
  }
  const auto name_now = sha256_of(*text);
  if (text->size() != bytes || !name_now || *name_now != name) {
    return fail(errc::store_corrupt, "the file " + path_of(name) + " is not what was stored");
  }
  return shared_text{std::move(*text)};
}

} // namespace tayfa::store
