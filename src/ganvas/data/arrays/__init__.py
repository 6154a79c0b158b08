"""Pictures in arrays: .npy, .npz, idx, CIFAR and HDF5 files, and volumes cut into slices."""
