"""Amazon Web Services: reading S3 and CodeCommit by signed requests."""
