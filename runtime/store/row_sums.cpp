#include "runtime/store/row_sums.hpp"

#include <cstring>
#include <openssl/evp.h>
#include <sqlite3.h>

namespace tayfa::store {

void row_sums::freer::operator()(evp_md_st* algorithm) const {
  EVP_MD_free(algorithm);
}
void row_sums::freer::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

// Fetched once: looking it up costs as much as the digest of a row.
row_sums::row_sums()
    : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {}
row_sums::~row_sums() = default;

result<void> row_sums::attach(database& db) {
  if (!algorithm_ || !context_) {
    return fail(errc::internal, "SHA-256 is not available");
  }
  constexpr int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
  for (const auto& [name, arguments, function] :
       {std::tuple{"row_sum", -1, &row_sum}, std::tuple{"swap_sum", 2, &swap_sum}}) {
    const int code = sqlite3_create_function_v2(db.handle(), name, arguments, flags, this, function,
                                                nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
      return fail(db.why(code, "adding a function"));
    }
  }
  return {};
}

void row_sums::after_put() {
  if (!swapped_) {
    add(last_);
  }
}
void row_sums::add(std::uint64_t sum) {
  ++total_.rows;
  total_.sum += sum;
}
void row_sums::remove(std::uint64_t sum) {
  --total_.rows;
  total_.sum -= sum;
}

void row_sums::flush() {
  good_ = good_ && EVP_DigestUpdate(context_.get(), gathered_.data(), used_) == 1;
  used_ = 0;
}

void row_sums::feed(std::string_view bytes) {
  if (bytes.size() > gathered_.size() - used_) {
    flush();
    if (bytes.size() > gathered_.size()) {
      good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
      return;
    }
  }
  std::memcpy(gathered_.data() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

/// Each value as its type, its size and its bytes, so that no two rows give the same sequence.
bool row_sums::digest(int count, sqlite3_value** values, std::uint64_t& out) {
  used_ = 0;
  good_ = EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1;
  for (int i = 0; i < count; ++i) {
    auto* const value = values[i];
    const auto type = static_cast<char>(sqlite3_value_type(value));
    feed({&type, 1});
    std::array<char, sizeof(std::int64_t)> number{};
    switch (type) {
    case SQLITE_NULL: break;
    case SQLITE_INTEGER: {
      const std::int64_t bits = sqlite3_value_int64(value);
      std::memcpy(number.data(), &bits, sizeof bits);
      feed({number.data(), number.size()});
      break;
    }
    default: { // our tables hold texts beside integers; other values are summed as bytes
      const auto* const bytes = static_cast<const char*>(sqlite3_value_blob(value));
      const std::int64_t size = sqlite3_value_bytes(value);
      std::memcpy(number.data(), &size, sizeof size);
      feed({number.data(), number.size()});
      feed({bytes == nullptr ? "" : bytes, static_cast<std::size_t>(size)});
    }
    }
  }
  flush();
  std::array<unsigned char, EVP_MAX_MD_SIZE> whole{};
  unsigned length = 0;
  good_ = good_ && EVP_DigestFinal_ex(context_.get(), whole.data(), &length) == 1;
  std::memcpy(&out, whole.data(), sizeof out);
  return good_ && length >= sizeof out;
}

void row_sums::row_sum(sqlite3_context* call, int count, sqlite3_value** values) {
  auto& self = *static_cast<row_sums*>(sqlite3_user_data(call));
  if (!self.digest(count, values, self.last_)) {
    sqlite3_result_error(call, "the sum of a row cannot be computed", -1);
    return;
  }
  sqlite3_result_int64(call, static_cast<std::int64_t>(self.last_));
}

void row_sums::swap_sum(sqlite3_context* call, int, sqlite3_value** values) {
  auto& self = *static_cast<row_sums*>(sqlite3_user_data(call));
  const auto before = static_cast<std::uint64_t>(sqlite3_value_int64(values[0])); // NULL reads as 0
  const auto now = static_cast<std::uint64_t>(sqlite3_value_int64(values[1]));
  self.total_.sum += now - before;
  self.swapped_ = true;
  sqlite3_result_int64(call, static_cast<std::int64_t>(now));
}

} // namespace tayfa::store
