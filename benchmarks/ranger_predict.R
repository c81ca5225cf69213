# What ranger takes to predict every tree at every cell, three depths in three calls. Called by traverse.py.
# Arguments: folder, training rows, columns with the target last, cells, trees, leaves wanted, threads, rounds.
suppressMessages(library(ranger))
told <- commandArgs(trailingOnly = TRUE)
folder <- told[1]
sizes <- as.integer(told[-1])
read <- function(name, n, columns) {
  values <- readBin(file.path(folder, name), "double", n * columns)
  as.data.frame(matrix(values, nrow = n))
}
train <- read("train.bin", sizes[1], sizes[2])
names(train)[sizes[2]] <- "y"
grow <- function(trees, size) {
  ranger(y ~ ., train, num.trees = trees, mtry = max(1, floor((sizes[2] - 1) / 3)), min.node.size = size, num.threads = sizes[6], seed = 1, verbose = FALSE)
}
leaves <- function(model) mean(sapply(model$forest$child.nodeIDs, function(ids) sum(ids[[1]] == 0)))
tried <- 5:30
found <- sapply(tried, function(size) leaves(grow(10, size)))
model <- grow(sizes[4], tried[which.min(abs(found - sizes[5]))])
cells <- lapply(1:3, function(d) {
  part <- read(paste0("cells", d, ".bin"), sizes[3], sizes[2] - 1)
  names(part) <- setdiff(names(train), "y")
  part
})
seconds <- replicate(sizes[7], system.time(for (part in cells) {
  predict(model, part, predict.all = TRUE, num.threads = sizes[6], verbose = FALSE)
})["elapsed"])
cat("\n", as.character(packageVersion("ranger")), leaves(model), seconds, "\n")
