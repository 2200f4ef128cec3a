#pragma once
// Which stack gives which property, as a table for README files; derived from the modules.

#include <string>

namespace squall {

/// Markdown: a row for every stack of the library's modules that differs in what it gives.
std::string property_table();

/// Markdown: a row for every module: how it is written, what it provides and requires.
std::string module_table();

}  // namespace squall
