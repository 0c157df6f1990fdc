#include "client/cli/session.hpp"

int main(int count, char** words) {
  return troupe::cli::main_of(std::vector<std::string>(words + (count > 0 ? 1 : 0), words + count));
}
