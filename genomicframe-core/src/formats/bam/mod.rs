pub struct Bam;
