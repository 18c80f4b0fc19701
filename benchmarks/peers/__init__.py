"""Other products that store a sale, to compare the rate of ours with. They have an environment of their own."""
