-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: marketplace
-- ------------------------------------------------------
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

DROP TABLE IF EXISTS `users`;
CREATE TABLE `users` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `email` varchar(255) NOT NULL,
  `email_verified_at` timestamp NULL DEFAULT NULL,
  `password` varchar(255) NOT NULL,
  `locale` varchar(5) DEFAULT 'ar',
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `users_email_unique` (`email`)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4;

LOCK TABLES `users` WRITE;
INSERT INTO `users` VALUES
(1,'Sami Haddad','sami@example.com','2024-01-05 08:00:00','$2y$12$q;)\'(,','ar','2024-01-05 07:58:11','2024-03-01 10:00:00'),
(2,'Rana O\'Neil','rana@example.com',NULL,'$2y$12$x','en','2024-02-10 09:30:00','2024-02-10 09:30:00'),
(3,'لينا درويش','lina@example.com',NULL,'$2y$12$y','ar','2024-02-11 09:30:00','2024-02-11 09:30:00');
UNLOCK TABLES;

DROP TABLE IF EXISTS `car_providers`;
CREATE TABLE `car_providers` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `user_id` bigint(20) unsigned NOT NULL,
  `name` varchar(255) NOT NULL,
  `wallet_balance` decimal(12,2) NOT NULL DEFAULT 0.00,
  `is_verified` tinyint(1) NOT NULL DEFAULT 0,
  `is_active` tinyint(1) NOT NULL DEFAULT 1,
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `car_providers_user_id_foreign` (`user_id`),
  CONSTRAINT `car_providers_user_id_foreign` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4;

LOCK TABLES `car_providers` WRITE;
INSERT INTO `car_providers` VALUES (1,1,'Al Wadi Motors',42.50,1,1,'2024-01-06 08:00:00','2024-05-01 08:00:00'),(2,2,'Desert Rent; Damascus',0.00,0,1,'2024-02-10 10:00:00','2024-02-10 10:00:00');
UNLOCK TABLES;

DROP TABLE IF EXISTS `car_listings`;
CREATE TABLE `car_listings` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `user_id` bigint(20) unsigned NOT NULL,
  `car_provider_id` bigint(20) unsigned DEFAULT NULL,
  `title` varchar(255) NOT NULL,
  `slug` varchar(255) NOT NULL,
  `description` text DEFAULT NULL,
  `price` decimal(12,2) DEFAULT NULL,
  `is_available` tinyint(1) NOT NULL DEFAULT 1,
  `is_hidden` tinyint(1) NOT NULL DEFAULT 0,
  `is_sponsored` tinyint(1) NOT NULL DEFAULT 0,
  `sponsored_until` timestamp NULL DEFAULT NULL,
  `is_featured` tinyint(1) NOT NULL DEFAULT 0,
  `featured_until` timestamp NULL DEFAULT NULL,
  `featured_position` int(11) DEFAULT NULL,
  `views_count` bigint(20) unsigned NOT NULL DEFAULT 0,
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  `deleted_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4;

LOCK TABLES `car_listings` WRITE;
INSERT INTO `car_listings` VALUES
(1,1,1,'Kia Rio 2019','kia-rio-2019','One owner.\nNo accidents; \"as new\".',9800.00,1,0,1,'2030-01-01 00:00:00',0,NULL,NULL,1250,'2024-01-07 08:00:00','2024-06-01 08:00:00',NULL),
(2,2,2,'هيونداي أكسنت ٢٠٢١','hyundai-accent-2021',NULL,12500.00,1,0,0,NULL,1,'2030-02-01 00:00:00',1,310,'2024-02-12 08:00:00','2024-06-02 08:00:00',NULL),
(3,2,NULL,'VW Golf \'98','vw-golf-98','(it runs)',1900.00,1,0,0,NULL,0,NULL,NULL,77,'2024-03-01 08:00:00','2024-03-01 08:00:00','2024-07-01 08:00:00'),
(4,9,NULL,'Nobody\'s car','nobodys-car',NULL,100.00,1,0,0,NULL,0,NULL,NULL,0,'2024-03-02 08:00:00','2024-03-02 08:00:00',NULL);
UNLOCK TABLES;

DROP TABLE IF EXISTS `car_listing_analytics`;
CREATE TABLE `car_listing_analytics` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `car_listing_id` bigint(20) unsigned NOT NULL,
  `event_type` varchar(32) NOT NULL,
  `user_ip` varchar(45) DEFAULT NULL,
  `user_agent` text DEFAULT NULL,
  `created_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=6 DEFAULT CHARSET=utf8mb4;

LOCK TABLES `car_listing_analytics` WRITE;
INSERT INTO `car_listing_analytics` VALUES (1,1,'view','203.0.113.7','Mozilla/5.0','2024-06-01 08:00:00'),(2,1,'view','203.0.113.8','Mozilla/5.0','2024-06-01 08:01:00'),(3,1,'phone_click','203.0.113.8','Mozilla/5.0','2024-06-01 08:02:00'),(4,2,'view','2001:db8::1','Mozilla/5.0','2024-06-02 23:30:00'),(5,9,'view','203.0.113.9','Mozilla/5.0','2024-06-02 09:00:00');
UNLOCK TABLES;
-- Dump completed on 2024-07-15  3:00:01
